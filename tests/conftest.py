"""What all tests share: property tests are judged by their answers, not by how busy the machine is."""

from hypothesis import HealthCheck, settings

settings.register_profile("ledgernode", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ledgernode")

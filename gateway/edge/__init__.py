"""Devices that cannot sign: what they say on the wire, read exactly, and signed here on their behalf.

    observed.py        what a message says of a device's registers; exact numbers, units, times
    tasmota.py  shelly.py  zigbee2mqtt.py  esphome.py
                       real payloads of each family
    homeassistant.py   discovery configurations, and the generic reader they describe
    formats.py         which reader a topic belongs to
    cycles.py          registers that start again at zero, duplicates and delays -> rows that only grow
    signer.py          one key for each device; its readings are marked gateway-signed on the ledger for ever

All of it is pure: bytes in, values out; refusals are ReadingInvalid, whatever the garbage.
"""

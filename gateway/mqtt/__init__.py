"""MQTT: devices that reach the gateway by way of a broker, and controllers that hear of trades there.

topics.py       every topic of ours, and what is said on it (pure)
said.py         a payload read, and what is refused at sight (pure)
flow.py         acknowledging in order, counting refusals, pauses between connections (pure)
connection.py   one connection to a broker: paho, driven by the event loop
intake.py       messages in, answers, outcomes and commands out
trades.py       the line of each trade, for the papers' controllers
client.py       what a device uses
broker.py       a broker within the process, for demos
broker_files.py who may publish what: Mosquitto's files of passwords and rights
"""

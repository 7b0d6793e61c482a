"""The appliance: the embedded database and the processes of one installation on one machine."""

"""The specification of Volley: ``unit``, ``integration``, ``browser``, ``architecture``, ``drills``."""

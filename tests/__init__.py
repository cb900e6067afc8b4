"""The specification of Volley, as tests: ``unit``, ``integration``, ``browser``, ``architecture``, ``drills``."""

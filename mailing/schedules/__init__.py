"""Schedules: when a campaign is sent. All of it is pure.

``hours``     hours of the day in which a campaign may be sent, by the clocks of its zone
``schedule``  from which moment on, in which hours, by which zone; and how people and programs write that
"""

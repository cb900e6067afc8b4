"""Who runs it: the Celery app, its tasks, the schedule and the worker processes.

``app`` is the Celery app, ``commands`` has the only ways by which people and programs change anything,
``imports`` has files carried into saved lists, each by an ``import_process``,
``sending`` carries batches to the workers, ``messages`` lets only what can be run out of the queue,
``upkeep`` is the sweeper that ``beat`` wakes, ``control`` asks one worker process to stop, start or widen,
``mailboxes`` is the process that fetches reports from mailboxes,
``receivers`` has the receivers of domains looked up beside it,
``processes`` binds one engine to each worker process, ``worker`` is the command that runs several of them,
``starts`` starts the scheduled campaigns whose time has come,
``queues`` tells how much waits in Redis, ``redis_server`` is the bundled Redis of the development run, and
``foreman`` what `make run` starts.
"""

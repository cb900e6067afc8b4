"""What is ours in Redis: where it is, the news, and what its errors mean. It knows no Celery.

``errors``  what an error of Redis means for whoever has to fix it: what happened, where, what to do
``events``  what workers publish after each commit, and what the web process listens to
``limits``  how often something may be asked for, counted by all processes together
``prefix``  which Volley this is
``url``     ``VOLLEY_REDIS_URL`` read once, and what each library is told from it
"""

"""The composition root: the only place that names concrete classes, reads credentials and the clock.

One file for each kind of process, so that each loads only what it uses: a web process knows no scheduler and no HTTP
client, neither web nor work knows the ORM.
"""

"""Mends what PySyft 0.5.0 gives away: who may read a result may read what it was computed from.

A result is stored with its parent's dict of permissions, not a copy of it, so that a key which is added to one
opens the other.
"""


def permissions():
    """Give every stored object a dict of permissions of its own. Call it before anything is stored."""
    from syft.core.store.storeable_object import StorableObject

    published = StorableObject.__init__

    def init(self, *arguments, **named):
        published(self, *arguments, **named)
        self.read_permissions = dict(self.read_permissions)
        self.search_permissions = dict(self.search_permissions)

    StorableObject.__init__ = init

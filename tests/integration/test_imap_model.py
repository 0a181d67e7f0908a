"""Several IMAP sessions do random things at once; what each has been told is at any time what is there (imap_model.py).

A failure prints its seed: YIZHAN_SEED=17 replays that walk alone. YIZHAN_READER=dovecot runs all of it on Dovecot.
"""

import os
import time

import pytest

from imap_model import Walk
from imap_talk import View, Wrong
from readers import open_reader

SEEDS = [int(os.environ["YIZHAN_SEED"])] if "YIZHAN_SEED" in os.environ else [1, 2, 3]


@pytest.fixture(scope="module")
def server():
    with open_reader() as reader:
        yield reader


@pytest.mark.parametrize("seed", SEEDS)
def test_each_session_is_told_what_is_there(server, seed):
    walk = Walk(server, seed, steps=150)
    walk.run()
    assert len(walk.snapshots) >= 5, "too little was compared"


def lose_a_message(view, random):
    if len(view.uids) > 1:
        view.uids.pop(random.randrange(len(view.uids)))


def lose_a_flag(view, random):
    for uid, flags in view.flags.items():
        if flags:
            view.flags[uid] = frozenset()
            return


def keep_what_is_gone(view, random):
    if getattr(view, "ghost", None) is None:
        view.ghost = True
        view.uids.append((max([u for u in view.uids if u] or [0])) + 1000)
        view.flags[view.uids[-1]] = frozenset()


@pytest.mark.parametrize("mistake", [lose_a_message, lose_a_flag, keep_what_is_gone])
def test_a_mistake_in_what_a_session_knows_is_found(server, mistake):
    with pytest.raises(Wrong):
        Walk(server, 5, steps=80, fold=mistake).run()


def test_a_view_refuses_what_no_server_may_say():
    view = View()
    view.exists(3)
    for n, uid in ((1, 4), (2, 7), (3, 9)):
        view.fetch(n, {"UID": uid, "FLAGS": ["\\Seen"], "MODSEQ": 12})
    with pytest.raises(Wrong):
        view.exists(2)
    with pytest.raises(Wrong):
        view.expunge(4)
    with pytest.raises(Wrong):
        view.fetch(2, {"UID": 8})
    with pytest.raises(Wrong):
        view.fetch(3, {"UID": 9, "MODSEQ": 11})
    view.expunge(1)
    assert view.uids == [7, 9]


@pytest.mark.long
def test_each_session_is_told_what_is_there_for_long(server):
    seconds, seed = float(os.environ.get("YIZHAN_MODEL_SECONDS", "240")), int(time.time())
    end = time.monotonic() + seconds
    walks = 0
    while time.monotonic() < end:
        Walk(server, seed + walks, steps=400, sessions=3 + walks % 4).run()
        walks += 1
    print("%d walks from seed %d" % (walks, seed))
    assert walks

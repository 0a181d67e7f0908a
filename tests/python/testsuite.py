"""Where CPython's own tests are: the installed package libpython3.11-testsuite, else unpacked (never installed)
into build/cpython-testsuite, where it is fetched once with apt-get download."""
import fcntl
import glob
import os
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGE = "libpython3.11-testsuite"
UNPACKED = os.path.join(TOP, "build", "cpython-testsuite")
INSIDE = "usr/lib/python3.11/test"


def folder():
    """The folder with test_smtplib.py and mock_socket.py; None when it cannot be had."""
    for root in ("/", UNPACKED):
        if os.path.exists(os.path.join(root, INSIDE, "test_smtplib.py")):
            return os.path.join(root, INSIDE)
    os.makedirs(UNPACKED, exist_ok=True)
    with open(os.path.join(UNPACKED, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", PACKAGE], cwd=UNPACKED,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for deb in glob.glob(os.path.join(UNPACKED, PACKAGE + "_*.deb")):
            subprocess.run(["dpkg", "-x", deb, UNPACKED], check=True)
            os.remove(deb)
    found = os.path.join(UNPACKED, INSIDE)
    return found if os.path.exists(os.path.join(found, "test_smtplib.py")) else None

"""Run CPython's test_smtplib against yizhan.smtplib and print what became of each test, one JSON line each.

    cpython_smtplib.py FOLDER       FOLDER has test_smtplib.py and mock_socket.py

`import smtplib` in those tests is answered with our module. smtpd, asyncore and test.support stay the standard
library's: they are the servers and the harness."""
import importlib
import json
import os
import sys
import time
import unittest
import warnings


class Result(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def tell(self, test, outcome, text=""):
        sys.__stdout__.write(json.dumps({"test": test.id(), "outcome": outcome, "text": text,
                                         "seconds": round(time.monotonic() - self.began, 3)}) + "\n")
        sys.__stdout__.flush()

    def addSuccess(self, test):
        self.tell(test, "passed")

    def addFailure(self, test, err):
        self.tell(test, "failed", self._exc_info_to_string(err, test))

    def addError(self, test, err):
        self.began = getattr(self, "began", time.monotonic())
        self.tell(test, "failed", self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        self.tell(test, "skipped", reason)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.tell(subtest, "failed", self._exc_info_to_string(err, test))


def main():
    folder = sys.argv[1]
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path.insert(0, os.path.join(top, "python"))
    import yizhan.smtplib
    sys.modules["smtplib"] = yizhan.smtplib
    warnings.simplefilter("ignore")
    import test
    test.__path__.append(folder)
    tests = importlib.import_module("test.test_smtplib")
    assert tests.smtplib is yizhan.smtplib
    unittest.defaultTestLoader.loadTestsFromModule(tests).run(Result())


main()

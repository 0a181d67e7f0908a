"""Print sizes, offsets and enum values as ctypes sees them, in the words of the C program of test_abi.py."""
import ctypes
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
sys.path.insert(0, os.path.join(sys.path[0], "yizhan"))
import _abi  # without the package: no library is needed

for struct in _abi.STRUCTS:
    print("struct", struct.__name__, ctypes.sizeof(struct))
    for name, _ in struct._fields_:
        field = getattr(struct, name)
        print("field", struct.__name__, name, field.offset, field.size)
for enum, members in _abi.ENUMS.items():
    for name, value in members.items():
        print("value", name, value)

"""What a pytest report counts, in one line: N passed, N failed, N skipped."""
import sys
import xml.etree.ElementTree as tree

suite = tree.parse(sys.argv[1]).getroot().find("testsuite")
total, skipped = int(suite.get("tests")), int(suite.get("skipped"))
bad = int(suite.get("failures")) + int(suite.get("errors"))
print(f"{total - skipped - bad} passed, {bad} failed, {skipped} skipped")

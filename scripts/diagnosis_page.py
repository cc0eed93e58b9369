#!/usr/bin/env python3
"""Writes into docs/diagnosis.md what programs print: the catalogue, the reports, and, where its file
is given, the confusion matrix. The tests compare the page with the programs.

    scripts/diagnosis_page.py [build directory] [table of the confusion matrix]"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).parent.parent
build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else root / "build/release").resolve()
page = root / "docs/diagnosis.md"
text = page.read_text()


def between(text, marker, content):
    begin = text.index(marker) + len(marker)
    return text[:begin] + content + text[text.index("<!-- end -->", begin):]


with tempfile.TemporaryDirectory() as directory:
    table = pathlib.Path(directory) / "catalogue.md"
    # The test writes the table before it compares it with the page, which may be another yet.
    subprocess.run([build / "tests/check/test_check_catalogue", "--run_test=the_page_has_the_catalogue"],
                   env={**os.environ, "CHAINRULE_CATALOGUE_OUT": str(table)}, capture_output=True)
    text = between(text, "<!-- catalogue -->\n", table.read_text() + "\n")
if len(sys.argv) > 2:
    text = between(text, "<!-- confusion -->\n", "\n" + pathlib.Path(sys.argv[2]).read_text() + "\n")


def report(match):
    options = match.group(1).split()
    options[-1] = root / "tests/check/plants" / options[-1]
    run = subprocess.run([build / "examples/check_derivation", *options], capture_output=True, text=True)
    if run.returncode == 2:
        sys.exit(run.stderr)
    return f"<!-- output: {match.group(1)} -->\n{match.group(2)}```text\n{run.stdout}```"


text = re.sub(r"<!-- output: (.*) -->\n(<!-- test: .* -->\n)```text\n[^`]*```", report, text)
page.write_text(text)

"""Runs a script that uses pexpect, with a second before each line that it types, and before it hangs up.

tini's outer tests type into `docker attach` right after it was started, and hang up right after that. Where the client
takes longer than pexpect's 50 ms, nobody gets what was typed, whatever the init.
"""
import runpy
import sys
import time

import pexpect


class Patient(pexpect.spawn):
    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.delaybeforesend = 1

    def close(self, *arguments, **named):
        if self.isalive():
            time.sleep(1)
        super().close(*arguments, **named)


pexpect.spawn = Patient
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")

"""Terminal programs: curses, readline and the interpreter's prompt.

Full-screen programs need curses; the prompt needs readline for history and completion. Terminal descriptions (terminfo)
must be where the library looks for them.
"""

import sys
import unittest

import support

CURSES_PROGRAM = r"""
import curses, curses.panel, locale
locale.setlocale(locale.LC_ALL, "")

def main(screen):
    height, width = screen.getmaxyx()
    screen.addstr(0, 0, "Größe 世界 %dx%d" % (height, width), curses.A_BOLD)
    window = curses.newwin(3, 20, 5, 5)
    panel = curses.panel.new_panel(window)
    window.addstr(1, 1, "panel:ready")
    curses.panel.update_panels()
    curses.doupdate()
    screen.refresh()
    key = screen.get_wch()
    return repr(key)

key = curses.wrapper(main)
print("\nkey", ascii(key))
"""

READLINE_PROGRAM = r"""
import readline
readline.set_startup_hook(lambda: readline.insert_text("start "))
readline.set_completer(lambda text, state: "completion" if state == 0 and text == "compl" else None)
readline.parse_and_bind("tab: complete")
line = input("prompt> ")
print("\nline", repr(line))
print("history", readline.get_current_history_length(), repr(readline.get_history_item(1)))
"""


class TerminalTest(unittest.TestCase):
    def test_terminfo_knows_common_terminals(self):
        """setupterm finds xterm, xterm-256color, linux, screen, tmux, vt100 and dumb."""
        for name in ("xterm", "xterm-256color", "linux", "screen", "tmux", "vt100", "dumb"):
            with self.subTest(terminal=name):
                out = support.output_of_python(
                    self,
                    f"import curses, os\ncurses.setupterm({name!r}, os.open(os.devnull, os.O_WRONLY))\n"
                    "print(curses.tigetnum('cols'))",
                )
                self.assertEqual(out.strip(), "80")

    def test_curses_program_works(self):
        """A curses program shows wide characters, a panel and the window's size, and reads a wide character."""
        env = support.environment(TERM="xterm", LC_ALL="C.UTF-8")
        with support.Terminal(sys.executable, "-c", CURSES_PROGRAM, env=env) as terminal:
            terminal.wait_for("Größe 世界 24x80")
            terminal.send("ß")
            status = terminal.finish()
            self.assertEqual(status, 0, terminal.text[-300:])
            self.assertIn("panel:ready", terminal.text)
            self.assertIn("key \"'\\xdf'\"", terminal.text)

    def test_readline_edits_completes_and_records_history(self):
        """input() runs the startup hook, completes on tab, and adds the line to the history."""
        env = support.environment(TERM="xterm", LC_ALL="C.UTF-8", INPUTRC="/dev/null")
        with support.Terminal(sys.executable, "-c", READLINE_PROGRAM, env=env) as terminal:
            terminal.wait_for("start ")
            terminal.send("compl\t")
            terminal.wait_for("completion")
            terminal.send("\n")
            status = terminal.finish()
            self.assertEqual(status, 0, terminal.text[-300:])
            self.assertRegex(terminal.text, r"line 'start completion ?'")
            self.assertRegex(terminal.text, r"history 1 'start completion ?'")

    def test_readline_history_file(self):
        """readline writes and reads a history file."""
        with support.temporary_folder() as folder:
            out = support.output_of_python(
                self,
                "import readline\n"
                "readline.add_history('first ä'); readline.add_history('second')\n"
                "readline.write_history_file('h'); readline.clear_history(); readline.read_history_file('h')\n"
                "print(readline.get_current_history_length(), ascii(readline.get_history_item(1)))",
                cwd=folder,
            )
        self.assertEqual(out.strip(), "2 'first \\xe4'")

    def test_interactive_prompt(self):
        """`python` on a terminal evaluates expressions and ends with exit()."""
        env = support.environment(TERM="xterm", LC_ALL="C.UTF-8")
        with support.Terminal(sys.executable, "-q", env=env) as terminal:
            terminal.wait_for(">>> ")
            terminal.send("'-'.join(['six', 'times'])\r")
            terminal.wait_for("'six-times'")
            terminal.wait_for(">>> ")
            terminal.send("exit()\r")
            self.assertEqual(terminal.finish(), 0)
            self.assertNotIn("warning", terminal.text.lower())


if __name__ == "__main__":
    unittest.main()

r"""How regexes are written: from the text of a pattern to a tree of what it asks, and everything refused that has no one meaning.

The language is that of Python's `re` and of the module `regex` where the two agree, with `\p{..}`, lookarounds of any width and back
references. What is missing is missing on purpose: recursion, conditions, fuzzy matching and verbose patterns have no place in a word list.
What a tree means to a scanner is said in `automaton.py`.
"""

from dataclasses import dataclass
from typing import NoReturn

import regex

from srp_assets.wordlists.patterns.sets import EVERY, NOT_NEWLINE, CodePoints, complement, in_all_cases, named, of_text, united
from srp_assets.wordlists.patterns.tree import At, Atomic, Chars, Concat, Either, Group, Kind, Look, Node, Pattern, Reference, Repeat
from srp_assets.wordlists.syntax import WordError

MAX_REPEAT = 1000
"""The greatest number in a quantifier. A repetition of so many steps is one of so many states."""

MAX_DEPTH = 50
"""How deep groups may nest; deeper than anybody can read."""


class PatternError(WordError):
    """A pattern cannot be used. The message names the place in it, counted from 1, and what stands there."""

    def __init__(self, reason: str, remedy: str, source: str, start: int, end: int | None = None) -> None:
        excerpt = source[start : start + 1 if end is None else end]
        what = f", {excerpt!r}" if excerpt else ""
        super().__init__(f"position {start + 1}{what}: {reason}", remedy)


def parse_pattern(source: str, *, ignore_case: bool) -> Pattern:
    """Reads a pattern.

    Raises:
        PatternError: with the position, for whatever cannot be read or is not supported.
    """
    return _Parser(source, ignore_case).whole()


@dataclass(frozen=True, slots=True)
class _Flags:
    ignore_case: bool
    dot_all: bool = False
    multi_line: bool = False

    def changed(self, letters: str, *, to: bool) -> "_Flags":
        return _Flags(
            to if "i" in letters else self.ignore_case, to if "s" in letters else self.dot_all, to if "m" in letters else self.multi_line
        )


_QUANTIFIERS = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_BRACES = regex.compile(r"\{(\d*)(,?)(\d*)\}")
_FLAGS = regex.compile(r"\(\?([ims]*)(?:-([ims]+))?([:)])")
_NAME = regex.compile(r"\(\?P?<([A-Za-z_]\w*)>")
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_HEX = {"x": 2, "u": 4, "U": 8}
_PLACES: dict[str, Kind] = {"A": "start", "Z": "end", "b": "boundary", "B": "no_boundary"}
_LOOKS = {"(?=": (False, False), "(?!": (False, True), "(?<=": (True, False), "(?<!": (True, True)}


class _Parser:
    """Reads one pattern from left to right."""

    def __init__(self, source: str, ignore_case: bool) -> None:
        self._source = source
        self._place = 0
        self._depth = 0
        self._flags = _Flags(ignore_case)
        self._groups: dict[int, Node | None] = {}
        self._names: dict[str, int] = {}
        self._is_tried = False

    def whole(self) -> Pattern:
        leading = _FLAGS.match(self._source)
        if leading and leading[3] == ")":
            if leading[2]:
                self._refuse("flags can only be turned on for a whole pattern", "write (?-i:...) around a part of it", 0, leading.end())
            self._flags = self._flags.changed(leading[1], to=True)
            self._place = leading.end()
        node = self._either()
        if self._place < len(self._source):
            self._refuse("this parenthesis closes nothing", r"write \) if the character itself is meant", self._place)
        return Pattern(self._source, node, {number: body for number, body in self._groups.items() if body is not None}, self._is_tried)

    def _refuse(self, reason: str, remedy: str, start: int, end: int | None = None) -> NoReturn:
        raise PatternError(reason, remedy, self._source, start, end)

    def _ahead(self, text: str) -> bool:
        return self._source.startswith(text, self._place)

    def _either(self) -> Node:
        branches = [self._concat()]
        while self._ahead("|"):
            self._place += 1
            branches.append(self._concat())
        return branches[0] if len(branches) == 1 else Either(tuple(branches))

    def _concat(self) -> Node:
        items: list[Node] = []
        while self._place < len(self._source) and self._source[self._place] not in "|)":
            start = self._place
            items.append(self._repeated(self._atom(), start))
        return items[0] if len(items) == 1 else Concat(tuple(items))

    def _repeated(self, atom: Node, start: int) -> Node:
        place = self._place
        bounds = self._quantifier()
        if bounds is None:
            return atom
        if isinstance(atom, At | Look):
            self._refuse("a place between characters cannot be repeated", "remove the quantifier", place, self._place)
        is_possessive = self._ahead("+")
        if is_possessive or self._ahead("?"):
            self._place += 1
        self._is_tried |= is_possessive
        end, again = self._place, self._place
        if self._quantifier() is not None:
            self._refuse("two quantifiers follow each other", "remove one, or put the first into (?:...)", again, self._place)
        return Repeat(atom, *bounds, is_possessive, start, end)

    def _quantifier(self) -> tuple[int, int | None] | None:
        """How often the thing before is asked for; None if that is not said."""
        character = self._source[self._place : self._place + 1]
        if character in _QUANTIFIERS:
            self._place += 1
            return _QUANTIFIERS[character]
        if character != "{":
            return None
        braces = _BRACES.match(self._source, self._place)
        if braces is None or not (braces[1] or braces[3]):
            self._refuse(
                "this brace is no quantifier", r"write \{ if the character itself is meant, {2} or {2,5} for repetitions", self._place
            )
        self._place = braces.end()
        least = int(braces[1] or 0)
        most = int(braces[3]) if braces[3] else None if braces[2] else least
        if most is not None and most < least:
            self._refuse("the quantifier's bounds are in the wrong order", "write the smaller one first", braces.start(), braces.end())
        if max(least, most or 0) > MAX_REPEAT:
            self._refuse(f"more than {MAX_REPEAT:,} repetitions are asked for", "ask for fewer", braces.start(), braces.end())
        return least, most

    def _atom(self) -> Node:
        character = self._source[self._place]
        if character == "(":
            return self._group()
        if character == "[":
            return Chars(self._brackets())
        if character == "\\":
            return self._escaped()
        if character in "*+?":
            self._refuse("there is nothing to repeat", rf"write \{character} if the character itself is meant", self._place)
        if character == "{":
            self._refuse("this brace is no quantifier", r"write \{ if the character itself is meant", self._place)
        self._place += 1
        if character == ".":
            return Chars(EVERY if self._flags.dot_all else NOT_NEWLINE)
        if character == "^":
            return At("line_start" if self._flags.multi_line else "start")
        if character == "$":
            return At("line_end" if self._flags.multi_line else "last_line_end")
        return self._character(character)

    def _character(self, character: str) -> Chars:
        return Chars(self._cases(of_text(character)))

    def _cases(self, chars: CodePoints) -> CodePoints:
        return in_all_cases(chars) if self._flags.ignore_case else chars

    def _group(self) -> Node:
        start = self._place
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._refuse(f"groups nest deeper than {MAX_DEPTH}", "write the pattern flatter", start)
        look = next((opening for opening in sorted(_LOOKS, key=len, reverse=True) if self._ahead(opening)), None)
        if look:
            self._place += len(look)
            node: Node = Look(self._inside(start), *_LOOKS[look])
        elif self._ahead("(?>"):
            self._place += 3
            self._is_tried = True
            node = Atomic(self._inside(start))
        elif flags := _FLAGS.match(self._source, start):
            node = self._flagged(flags)
        else:
            node = self._captured(start)
        self._depth -= 1
        return node

    def _flagged(self, flags: regex.Match[str]) -> Node:
        if flags[3] == ")":
            self._refuse("flags for a whole pattern stand at its start", "move them there, or write (?i:...)", flags.start(), flags.end())
        before = self._flags
        self._flags = before.changed(flags[1], to=True).changed(flags[2] or "", to=False)
        self._place = flags.end()
        node = self._inside(flags.start())
        self._flags = before
        return node

    def _captured(self, start: int) -> Node:
        name = _NAME.match(self._source, start)
        if self._ahead("(?") and name is None:
            if self._ahead("(?P="):
                return self._named_reference(start)
            self._refuse("this kind of group is not supported", "use (...), (?:...) or a lookaround", start, start + 3)
        number = len(self._groups) + 1
        self._groups[number] = None
        if name:
            if name[1] in self._names:
                self._refuse(f"group name {name[1]} stands there twice", "choose another name", start, name.end())
            self._names[name[1]] = number
        self._place = name.end() if name else start + 1
        body = self._inside(start)
        self._groups[number] = body
        return Group(body, number)

    def _inside(self, start: int) -> Node:
        """What stands up to the parenthesis that closes."""
        node = self._either()
        if not self._ahead(")"):
            self._refuse("this parenthesis is not closed", r"close it, or write \( if the character itself is meant", start)
        self._place += 1
        return node

    def _named_reference(self, start: int) -> Node:
        end = self._source.find(")", start)
        self._place = end + 1 if end >= 0 else len(self._source)
        return self._reference(self._source[start + 4 : max(end, start + 4)], start)

    def _reference(self, name: str, start: int) -> Reference:
        number = int(name) if name.isdecimal() else self._names.get(name, 0)
        if self._groups.get(number) is None:
            self._refuse("there is no such group before this place", "refer to a group that is closed", start, self._place)
        self._is_tried = True
        return Reference(number)

    def _escaped(self) -> Node:
        start = self._place
        letter = self._source[start + 1 : start + 2]
        if letter in _PLACES and letter:
            self._place += 2
            return At(_PLACES[letter])
        if letter in "123456789" and letter:
            digits = regex.compile(r"\d{1,2}").match(self._source, start + 1)
            self._place = digits.end()
            return self._reference(digits[0], start)
        if letter == "g" and (by_name := regex.compile(r"\\g<(\w+)>").match(self._source, start)):
            self._place = by_name.end()
            return self._reference(by_name[1], start)
        found = self._escape()
        return self._character(found) if isinstance(found, str) else Chars(found)

    def _escape(self) -> str | CodePoints:
        """What a backslash means in brackets and outside of them: a character or a class."""
        start = self._place
        letter = self._source[start + 1 : start + 2]
        self._place += 2
        if not letter:
            self._refuse("a backslash stands at the end", r"write \\ if the backslash itself is meant", start)
        if letter in "dDwWsS":
            return named(f"\\{letter}", ignore_case=self._flags.ignore_case)
        if letter in "pP":
            return self._property(start)
        if letter in _HEX:
            return self._hexadecimal(start, _HEX[letter])
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter.isalnum() and letter.isascii():
            if letter == "0" and not self._source[self._place : self._place + 1].isdigit():
                return "\0"
            self._refuse("there is no such escape", r"write \\ if the backslash itself is meant", start, self._place)
        return letter

    def _property(self, start: int) -> CodePoints:
        braces = regex.compile(r"\{\^?[\w =:.-]+\}|\p{L}").match(self._source, self._place)
        self._place = braces.end() if braces else self._place
        escape = self._source[start : self._place]
        try:
            if braces:
                return named(escape, ignore_case=self._flags.ignore_case)
        except regex.error:
            pass
        self._refuse("there is no such property of characters", r"write one like \p{L}, \p{Han} or \p{Punctuation}", start, self._place)

    def _hexadecimal(self, start: int, digits: int) -> str:
        text = self._source[self._place : self._place + digits]
        self._place += len(text)
        if not regex.fullmatch(r"[0-9A-Fa-f]+", text) or len(text) < digits:
            self._refuse(f"{digits} hexadecimal digits must follow", "write them all", start, self._place)
        code = int(text, 16)
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            self._refuse("there is no such character", "write the number of a character", start, self._place)
        return chr(code)

    def _brackets(self) -> CodePoints:
        opening = self._place
        self._place += 1
        is_negated = self._ahead("^")
        self._place += is_negated
        ranges: list[tuple[int, int]] = []
        first = self._place
        while not self._ahead("]") or self._place == first:
            if self._place >= len(self._source):
                self._refuse("this bracket is not closed", r"close it, or write \[ if the character itself is meant", opening)
            ranges += self._member()
        self._place += 1
        chars = united(ranges)
        return complement(chars) if is_negated else chars

    def _member(self) -> CodePoints:
        """A character, a range or a class between brackets."""
        start = self._place
        low = self._bracket_item()
        if not isinstance(low, str):
            return low
        if not self._ahead("-") or self._source[self._place + 1 : self._place + 2] in ("]", ""):
            return self._cases(of_text(low))
        self._place += 1
        high = self._bracket_item()
        if not isinstance(high, str):
            self._refuse("a class is no end of a range", "put the - at the end of the brackets", start, self._place)
        if high < low:
            self._refuse("the range is in the wrong order", "write its smaller end first", start, self._place)
        return self._cases(((ord(low), ord(high)),))

    def _bracket_item(self) -> str | CodePoints:
        start = self._place
        if self._ahead("["):
            posix = regex.compile(r"\[:\^?\w+:\]").match(self._source, start)
            if posix is None:
                self._refuse("a bracket opens within brackets", r"write \[ if the character itself is meant", start)
            self._place = posix.end()
            try:
                return named(f"[{posix[0]}]", ignore_case=self._flags.ignore_case)
            except regex.error:
                self._refuse("there is no such class", "write one like [:alpha:]", start, self._place)
        if self._source[start : start + 2] in ("--", "&&", "||", "~~"):
            self._refuse(
                "operators on sets are not supported", "write the set out; the character itself needs to stand there once", start, start + 2
            )
        if self._ahead("\\"):
            if self._ahead(r"\b"):
                self._place += 2
                return "\b"
            return self._escape()
        self._place += 1
        return self._source[start]

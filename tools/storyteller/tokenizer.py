# SPDX-License-Identifier: Apache-2.0
"""The tokenizer of the storyteller: a byte pair vocabulary with scores, used the SentencePiece way.

A GGUF file with tokenizer.ggml.model = "llama" holds pieces and scores and no list of merges.  Who reads it
starts from single characters and, again and again, joins the two neighbours whose joined text is the piece
with the best score, the leftmost of equals.  `Tokenizer.encode` does just that, so the model is trained on
the very tokens that an engine will feed it.

Two choices keep engines from disagreeing: no space is put in front of a text (add_space_prefix is false; a
story, a turn and a paragraph all begin alike), and no piece holds a space anywhere but at its front.
"""

import collections
import json
import re

SPACE = "\u2581"                     # how a space is written inside a piece
UNKNOWN, BEGIN, END = 0, 1, 2
USER, ASSISTANT, TURN_END = 259, 260, 261
SPECIAL = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + ["<|user|>", "<|assistant|>", "<|end|>"]
# What GGUF calls the kinds of token.
NORMAL, UNKNOWN_KIND, CONTROL, BYTE = 1, 2, 3, 6

CHARACTERS = [SPACE] + [chr(c) for c in range(33, 127)]
# Where a piece may not reach across: words, endings like 's, digits, marks and line breaks stay apart.
WORDS = re.compile(rf"{SPACE}?[A-Za-z]+|'[a-z]+|{SPACE}?[0-9]|\n+|{SPACE}?[^A-Za-z0-9{SPACE}\n]+|{SPACE}")
# Since only the front of a piece can be a space, these parts can be encoded one by one, and remembered.
PARTS = re.compile(rf"\n+|{SPACE}?[^{SPACE}\n]+|{SPACE}")


def learn(text, size):
    """Pieces in the order found: each time the most frequent pair of neighbours becomes one."""
    words = [(list(w), n) for w, n in collections.Counter(WORDS.findall(text.replace(" ", SPACE))).items()]
    # Counted by the joined text, not by the pair: "th"+"e" and "t"+"he" are one piece to the encoder.
    count, where = collections.Counter(), collections.defaultdict(set)

    def tally(index, sign):
        word, n = words[index]
        for a, b in zip(word, word[1:]):
            count[a + b] += sign * n
            where[a + b].add(index)

    for i in range(len(words)):
        tally(i, 1)
    pieces = []
    while len(SPECIAL) + len(CHARACTERS) + len(pieces) < size:
        piece = min(count, key=lambda p: (-count[p], p))
        pieces.append(piece)
        for i in where.pop(piece):
            tally(i, -1)
            words[i] = (join(words[i][0], piece), words[i][1])
            tally(i, 1)
        del count[piece]
    return pieces


def join(word, piece):
    out = []
    for part in word:
        if out and out[-1] + part == piece:
            out[-1] = piece
        else:
            out.append(part)
    return out


class Tokenizer:
    def __init__(self, pieces):
        self.pieces = pieces
        self.tokens = SPECIAL + pieces + CHARACTERS
        self.kinds = ([UNKNOWN_KIND, CONTROL, CONTROL] + [BYTE] * 256 + [CONTROL] * 3
                      + [NORMAL] * (len(pieces) + len(CHARACTERS)))
        self.scores = [0.0] * len(SPECIAL) + [-float(i) for i in range(len(self.tokens) - len(SPECIAL))]
        self.ids = {t: i for i, t in enumerate(self.tokens) if self.kinds[i] == NORMAL}
        self.known = {}

    @classmethod
    def load(cls, path):
        return cls(json.loads(path.read_text()))

    def save(self, path):
        path.write_text(json.dumps(self.pieces, ensure_ascii=False))

    def encode(self, text):
        out = []
        for part in PARTS.findall(text.replace(" ", SPACE)):
            if part not in self.known:
                self.known[part] = self.encode_part(part)
            out += self.known[part]
        return out

    def encode_part(self, part):
        word = list(part)
        while len(word) > 1:
            best = max(range(len(word) - 1), key=lambda i: self.score(word[i] + word[i + 1]))
            if self.score(word[best] + word[best + 1]) == float("-inf"):
                break
            word[best:best + 2] = [word[best] + word[best + 1]]
        out = []
        for piece in word:
            out += [self.ids[piece]] if piece in self.ids else [3 + b for b in piece.encode()]
        return out

    def score(self, piece):
        return self.scores[self.ids[piece]] if piece in self.ids else float("-inf")

    def decode(self, ids):
        raw = bytearray()
        for i in ids:
            if self.kinds[i] == BYTE:
                raw.append(i - 3)
            elif self.kinds[i] == NORMAL:
                raw += self.tokens[i].replace(SPACE, " ").encode()
        return raw.decode(errors="replace")

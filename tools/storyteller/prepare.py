# SPDX-License-Identifier: Apache-2.0
"""Turns a folder of story books into what train.py reads: a vocabulary and three streams of tokens.

Reads every .txt of the folder: one paragraph a line, a blank line between, headings as paragraphs of their own.
Writes pieces.json (the vocabulary), plain.bin (chapters and tales as they are), chat.bin (the same stories cut
into turns), dev.bin (chapters that only watch progress), heldout.txt (whole works that training never sees)
and facts.json.

Nobody wrote the turns: a request is made by rule from the passage that answers it.  The passage mentions a fox
near its start, so the request asks for a fox; it opens a tale, so the request gives the title; it begins with
certain words, so the request is those words.  The only lines of our own are in SMALL_TALK.
"""

import argparse
import itertools
import json
import pathlib
import re

import numpy as np

from tokenizer import ASSISTANT, BEGIN, END, TURN_END, USER, Tokenizer, learn

# Three works of three authors, each whole, so that no sentence or chapter of them is ever seen.
HELD_OUT = ["the-velveteen-rabbit", "the-adventures-of-old-mr-toad", "the-happy-prince-and-other-tales"]
DEV_EVERY = 50                        # every so many chapters of the rest, one is kept for watching
LONGEST = 300                         # tokens of one answer, so that request and two answers fit 512...
SHORTEST = 40                         # ...and an answer is more than a remark

NOUNS = """fox wolf/wolves bear lion tiger cat kitten dog puppy/puppies mouse/mice rat rabbit hare frog toad
crow raven owl eagle swan goose/geese duck hen cock sparrow nightingale swallow stork bee ant spider snake
crocodile elephant monkey donkey horse pony/ponies cow goat sheep lamb pig hedgehog squirrel beaver otter
mole badger skunk woodchuck fish whale seal turtle butterfly/butterflies dragon giant dwarf/dwarfs/dwarves
witch/witches fairy/fairies wizard mermaid goblin ogre king queen prince princess/princesses knight soldier
sailor robber thief/thieves miller tailor shoemaker fisherman huntsman shepherd farmer gardener beggar
merchant woodcutter boy girl baby/babies child/children mother father brother sister grandmother
stepmother uncle aunt servant castle palace tower cottage garden forest mountain river sea island ship
boat train station snow winter spring rain storm wind moon star sun ring crown sword cloak mirror
lamp treasure gold apple rose tree flower bread cake pie egg feather needle key shoe hat toy doll puppet scarecrow
Christmas birthday party/parties wedding ball school secret wish/wishes magic""".split()

SMALL_TALK = [
    (["Hello.", "Hello!", "Hi.", "Hi there!", "Good morning.", "Good evening."],
     "Good day to you! Name an animal, a person or a thing, and I will tell you a story about it."),
    (["Who are you?", "What are you?", "What is your name?"],
     "I am a little story teller. I have read some old books of fairy tales, and I make up stories in their way."),
    (["What can you do?", "Help.", "Help me.", "What do you know?"],
     "I can tell you a story. Say who it should be about: a fox, a princess, a giant. Say \"Go on.\" for more."),
    (["Thank you.", "Thank you!", "Thanks.", "That was lovely."],
     "You are very welcome. Shall I tell you another story?"),
    (["Goodbye.", "Goodbye!", "Good night.", "Bye."], "Good night, and sweet dreams to you!"),
]
ONE = ["Tell me a story about {}.", "Tell me a story about {}.", "Tell me a story about {}.",
       "A story about {}, please.", "tell me about {}", "Please tell me a tale of {}.", "{}"]
TITLE = ["Tell me the story of {}.", "Tell me the tale of \"{}\".", "{}"]
ANY = ["Tell me a story.", "Tell me a story.", "Tell me a fairy tale.", "A story, please.", "Tell me another story."]
MORE = ["Go on.", "Go on.", "And then?", "What happened next?", "More, please.", "Tell me more."]


# Cleaning.

def paragraphs(path):
    """The folder is clean already; this is the check that it is, and the one way to write each thing."""
    text = path.read_text("utf-8").translate(str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'}))
    if re.search(r"project gutenberg|transcriber|\[illustration", text, re.I):
        raise SystemExit(f"{path.name}: holds an edition's notes; take them out before training on it")
    text = re.sub(r"[ \t]+", " ", text.replace("\r\n", "\n"))
    text = re.sub(r"-{3,}", "--", text)
    return [p.strip() for p in re.split(r"\n\s*\n", text) if p.strip()]


def title_of(paragraph):
    """The title that a heading holds, "" for a bare number, None when the paragraph is no heading."""
    if "\n" in paragraph or len(paragraph) > 70 or not re.search(r"[A-Za-z]", paragraph):
        return None
    if re.fullmatch(r"(chapter |part |book )?[IVXLC]+\.?|chapter \w+\.?", paragraph, re.I):
        return ""
    text = re.sub(r"^(chapter )?([IVXLC]+|\d+)([.:]| -)\s+", "", paragraph, flags=re.I)
    if text.isupper() and len(text) > 3:
        return capitals(text)
    words = re.findall(r"[A-Za-z]+", text)
    small = "a an and at by for from in into of on or the to with his her".split()
    if text[-1] in "\"'.,;:!-)" or text[0] in "\"'(" or not words[0][0].isupper():
        return None
    return text if all(w[0].isupper() or w in small for w in words) else None


def capitals(text):
    small = "a an and at by for from in into of on or the to with his her is".split()
    words = text.lower().split()
    out = [w if i and w in small else re.sub(r"[a-z]", lambda m: m[0].upper(), w, count=1) for i, w in enumerate(words)]
    return " ".join(re.sub(r"-([a-z])", lambda m: "-" + m[1].upper(), w) for w in out).rstrip(".")


def chapters(path):
    """(title, paragraphs) of each chapter or tale; a work without headings is one chapter."""
    found = [["", []]]
    for p in paragraphs(path):
        title = title_of(p)
        if title is None:
            found[-1][1].append(p)
        elif found[-1][1]:
            found.append([title, []])
        else:
            found[-1][0] = title or found[-1][0]
    return [(t, ps) for t, ps in found if sum(map(len, ps)) > 200]


# Turns.

def with_article(noun):
    if noun[0].isupper() or noun in ("bread", "gold", "magic", "snow", "rain", "winter", "spring", "children"):
        return noun
    if noun in ("sea", "sun", "moon", "wind"):
        return "the " + noun
    return ("an " if noun[0] in "aeiou" and not noun.startswith("uni") else "a ") + noun


class Subjects:
    """Who or what a passage is about: nouns of the list above and the names that a work uses often."""

    def __init__(self, text):
        self.patterns = []
        for entry in NOUNS:
            forms = entry.split("/")
            every = "|".join(forms if len(forms) > 1 else [forms[0], forms[0] + "s"])
            self.patterns.append((with_article(forms[0]), re.compile(rf"\b(?:{every})\b", re.I)))
        # A name is what is written with capitals after a small word: there no sentence begins.
        seen = re.findall(r"(?<=[a-z,] )((?:(?:Mr|Mrs|Dr)\. )?[A-Z][a-z]+(?: [A-Z][a-z]+){0,2})\b", text)
        names = {n for n in set(seen) if seen.count(n) >= 12 and not re.search(r"\b" + n.lower() + r"\b", text)}
        self.patterns += [(n, re.compile(rf"\b{re.escape(n)}\b")) for n in sorted(names)]

    def of(self, passage):
        """Best first: what comes more often and earlier."""
        found = []
        for name, pattern in self.patterns:
            places = [m.start() for m in pattern.finditer(passage)]
            if places and places[0] < 250:
                found.append((len(places) - places[0] / 120, name))
        best = []
        for _, name in sorted(found, reverse=True):
            words = set(name.lower().split())
            if not any(words & set(b.lower().split()) - {"a", "an", "the"} for b in best):     # not "a king and King"
                best.append(name)
        return best


def passage(tok, ps, first, longest):
    """Paragraphs from `first` on, as many as fit, and where the next one starts."""
    ids, last = [], first
    while last < len(ps):
        more = tok.encode(("\n\n" if last > first else "") + ps[last])
        if len(ids) + len(more) > longest:
            break
        ids, last = ids + more, last + 1
    if not ids:                       # one huge paragraph: as many of its sentences as fit
        for sentence in re.findall(r".+?(?:[.!?][\"']*(?= |$)|$)", ps[first], re.S):
            more = tok.encode(sentence)
            if len(ids) + len(more) > longest:
                break
            ids += more
        last = first + 1
    return ids, last


def request(tok, ps, first, ids, title, subjects, rng):
    text = tok.decode(ids)
    about, kind = subjects.of(text), rng.random()
    if first == 0 and title and kind < .3:
        return str(rng.choice(TITLE)).format(title)
    if kind < .38:
        words = text.split()
        return " ".join(words[:int(rng.integers(3, 9))])
    if not about or (first == 0 and kind < .46):
        return str(rng.choice(ANY)) if first == 0 else None
    if len(about) > 1 and kind > .75:
        return str(rng.choice(ONE)).format(f"{about[0]} and {about[1]}")
    subject = about[0] if len(about) < 2 or rng.random() < .75 else about[1]
    return str(rng.choice(ONE)).format(subject)


def turn(tok, ask, ids):
    return [USER, *tok.encode(ask), TURN_END, ASSISTANT, *ids, TURN_END]


def talk(tok, title, ps, subjects, rng):
    """One conversation from each passage of a chapter that can open one."""
    out, first = [], 0
    while first < len(ps):
        ids, after = passage(tok, ps, first, int(rng.integers(120, LONGEST)))
        opens = first == 0 or not ps[first].startswith(('"', "'"))
        if opens and len(ids) >= SHORTEST:
            ask = request(tok, ps, first, ids, title, subjects, rng)
            if ask:
                said = [BEGIN, *turn(tok, ask, ids)]
                if after < len(ps) and rng.random() < .3:
                    more, after = passage(tok, ps, after, 470 - len(said))
                    if len(more) >= SHORTEST:
                        said += turn(tok, str(rng.choice(MORE)), more)
                out.append(said + [END])
        # Openings are what a listener hears most, so a passage from the middle is often skipped.
        first = after if rng.random() < .7 else after + 1
    return out


def small_talk(tok, rng):
    asks, answer = SMALL_TALK[int(rng.integers(len(SMALL_TALK)))]
    return [BEGIN, *turn(tok, str(rng.choice(asks)), tok.encode(answer)), END]


def chat(tok, works, rounds, rng):
    docs = []
    for name, parts in works.items():
        subjects = Subjects("\n".join("\n".join(ps) for _, ps in parts))
        for _ in range(rounds):
            for title, ps in parts:
                docs += talk(tok, title, ps, subjects, rng)
                # The opening once more, under another request: a tale begins only once, and is asked for often.
                docs += talk(tok, title, ps[:6], subjects, rng)[:1]
        # And as one would begin to write it, without request or title: else a bare "Once upon a time" would look
        # like a request, and the model would end it instead of telling on.
        docs += [[BEGIN, *passage(tok, ps, 0, LONGEST)[0], END] for _, ps in parts]
    docs += [small_talk(tok, rng) for _ in range(len(docs) // 30)]
    return [docs[i] for i in rng.permutation(len(docs))]


def document(tok, title, ps):
    return [BEGIN, *tok.encode("\n\n".join([title] * bool(title) + ps)), END]


def flat(lists):
    return list(itertools.chain.from_iterable(lists))


def shared_runs(train_text, held_text, words=13):
    """Share of the held-out runs of 13 words that training text holds too: says whether held out is held out."""
    def runs(t):
        w = re.findall(r"[a-z']+", t.lower())
        return [tuple(w[i:i + words]) for i in range(len(w) - words + 1)]
    seen, held = set(runs(train_text)), runs(held_text)
    return sum(r in seen for r in held) / len(held)


def main():
    ask = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ask.add_argument("--books", type=pathlib.Path, required=True, help="the folder of .txt files")
    ask.add_argument("--out", type=pathlib.Path, required=True)
    ask.add_argument("--vocabulary", type=int, default=4096)
    ask.add_argument("--rounds", type=int, default=2, help="how often each chapter is cut into turns")
    ask.add_argument("--seed", type=int, default=1)
    a = ask.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(a.seed)

    works, dev, held, count = {}, [], [], 0
    for path in sorted(a.books.glob("*.txt")):
        if path.stem in HELD_OUT:
            held.append("\n\n".join(paragraphs(path)))
            continue
        works[path.stem] = []
        for part in chapters(path):
            count += 1
            (works[path.stem] if count % DEV_EVERY else dev).append(part)
    if len(held) != len(HELD_OUT):
        raise SystemExit(f"{a.books}: lacks one of the held-out works {', '.join(HELD_OUT)}")
    train_text = "\n\n".join("\n\n".join([t] + ps) for parts in works.values() for t, ps in parts)
    held_text = "\n\n".join(held) + "\n"

    tok = Tokenizer(learn(train_text, a.vocabulary))
    tok.save(a.out / "pieces.json")
    (a.out / "heldout.txt").write_text(held_text)
    plain_docs = [document(tok, t, ps) for parts in works.values() for t, ps in parts]
    plain = flat(plain_docs[i] for i in rng.permutation(len(plain_docs)))
    talks = chat(tok, works, a.rounds, rng)
    streams = {"plain": plain, "chat": flat(talks), "dev": flat(document(tok, t, ps) for t, ps in dev)}
    for name, ids in streams.items():
        np.array(ids, np.uint16).tofile(a.out / f"{name}.bin")
    facts = {
        "works": sorted(works), "held_out": HELD_OUT, "chapters": count - len(dev), "dev_chapters": len(dev),
        "train_bytes": len(train_text.encode()), "held_out_bytes": len(held_text.encode()),
        "vocabulary": len(tok.tokens), "bytes_per_token": round(len(train_text.encode()) / len(plain), 3),
        "tokens": {k: len(v) for k, v in streams.items()}, "conversations": len(talks),
        "held_out_13_word_runs_also_in_training": round(shared_runs(train_text, held_text), 5),
    }
    (a.out / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")
    print(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()

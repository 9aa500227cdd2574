#!/usr/bin/env python3
"""Golden token ids for package tokenizer, from Hugging Face's tokenizers and from sentencepiece.

Run from the repository root: python scripts/golden/tokenizers_golden.py [--shared ../shared]
Versions are pinned in scripts/golden/requirements.txt. It writes into tokenizer/testdata:
  NAME.tokenizer.json, NAME.model   small tokenizers with the structure of each family, trained here on synthetic text
  variants.json                     changes to those files, one feature each
  golden.json                       texts, ids, and SHA-256 sums over the ids of generated texts and of real titles
Titles themselves are not written: they belong to their data sets.
"""
import argparse
import csv
import hashlib
import io
import json
import os
import re

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

GPT2_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")

# Fragments that generated texts are made of.
FRAGMENTS = [
    " ", "  ", "   ", "\t", "\n", "\r\n", "\r", "\n\n", "\v", "\f", "\x00", "\x01", "\x1b", "\x7f", "\u0085", "\u00a0", "\u1680", "\u2009",
    "\u200b", "\u200c", "\u200d", "\u2028", "\u2029", "\u202e", "\u202f", "\u2060", "\u3000", "\ufeff", "\ufffd", "\ufffe",
    "a", "b", "t", "s", "the", "The", "movie", "Film", "VIII", "XIV", "Part", "abcdefgh", "I", "l", "ll",
    "'s", "'S", "'t", "'T", "'re", "'RE", "'Ve", "'m", "'LL", "'d", "'\u017f", "\u2019s", "''", "'", "\"", "`",
    "0", "1", "12", "123", "1234", "12345", "123456", "1234567", "12345678", "123456789", "1999", "(1995)", "\u0663", "\u216b", "\u00bd",
    "\u00b2", "\u4e00", "\u09e8",
    ".", "..", "...", ".....", ",", "-", "--", "_", "/", "!", "?!", "(", ")", "[", "]", "{", "}", "<", ">", "|", "#", "$", "&", "*", "+",
    "=", "^", "~", "\\", "\u2581", "\u2581\u2581", "\u0120", "\u010a", "\u2026", "\u2014", "\u20ac", "\u00a9",
    "\u00e9", "e\u0301", "\u00c9", "\u212b", "\u00c5", "A\u030a", "n\u0303", "\u1e9b\u0323", "q\u0323\u0307", "q\u0307\u0323", "\u0344",
    "\u0958", "\u0915\u093c", "\ufb01", "\ufb01n", "\u01c5", "\u0130", "I\u0307", "\u03a3", "\u03c2", "\u00df", "\u1e9e",
    "\uac00", "\u1100\u1161", "\u1100\u1161\u11a8", "\uac00\u11a8", "\ud55c\uad6d", "\u4e2d\u6587", "\u6f22\u5b57", "\u3042", "\u304b\u3099",
    "\u30ab", "\uff71", "\uff21", "\uff11", "\u0e01\u0e33", "\u0e44\u0e17\u0e22", "\u0928\u093f", "\u0391\u03b8", "\u041c\u043e\u0441",
    "\u05e9\u05dc\u05d5\u05dd", "\u05e9\u05c1\u05b8", "\u0645\u0631\u062d\u0628\u0627", "\u0640", "\u0651\u064e", "\u0301", "\u0301\u0301",
    "\u0334", "\u20dd", "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1eb\U0001f1f7", "\U0001f44d\U0001f3fd", "\u2764\ufe0f",
    "\U00010400", "\U0001d54f", "\U00020000", "\U0010ffff", "\ue000",
    "<s>", "</s>", "<unk>", "<0x41>", "<0x0A>", "<bos>", "<start_of_turn>", "<end_of_turn>", "<|im_start|>", "<|im_end|>", "<|endoftext|>",
    "<|eot_id|>", "<|begin_of_text|>", "<|start_story|>", "<think>", "</think>", "<|im_", "\u2581<s>", "[MASK]", "[L]", "[R]", "[W]", "Day", "DAY",
]

TEXTS = [
    "", " ", "  ", "a", " a", "a ", "Toy Tale (1995)", "Hello, World!", "don't DON'T I'Ve we'll WE'LL you'd he's HE'S 'twas it\u2019s",
    "VIII", ".....", "...........", "Part VIII: ..... the end .....", "1 12 123 1234 12345 123456 1234567 12345678 123456789",
    "\u0661\u0662\u0663 \u216b \u00bd \u00b2 x\u00b2 \u2460", "   leading", "trailing   ", "a     b", "a\t\tb", "a \n b", "\r\n\r\nx\r\n", "\n\n\n",
    " \n \n ", "tab\tend\t", "\x00", "nul\x00inside\x00", "\x01\x02\x1b[0m\x7f", "\ufeffbom", "zero\u200bwidth\u200djoin",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 family", "\U0001f1eb\U0001f1f7\U0001f1ef\U0001f1f5 \u2764\ufe0f \U0001f44d\U0001f3fd",
    "\u4e03\u4eba\u306e\u4f8d (Shichinin no Samurai)", "\u8587\u82b1\u9999", "\uae30\uc0dd\ucda9", "\u1100\u1161\u11a8\u1112\u1161\u11ab",
    "\u05d0\u05d5\u05e9\u05e4\u05d9\u05d6\u05d9\u05df", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0643 \u202eabc\u202c", "\u0e1f\u0e49\u0e32\u0e17\u0e30\u0e25\u0e32\u0e22",
    "Am\u00e9lie", "Ame\u0301lie", "\u00c5ngstr\u00f6m \u212b A\u030a", "\u1e9b\u0323", "q\u0307\u0323 q\u0323\u0307", "Z" + "\u0301\u0323" * 40 + "!",
    "\u0958\u0915\u093c \ufb01n \u01c5 \u0130stanbul \u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", "a" * 300, "ab" * 200, "x" + " " * 70 + "y", "=" * 90,
    "Supercalifragilisticexpialidocious" * 4, "\u4e2d" * 60, "ffi \ufb03 \uff26\uff35\uff2c\uff2c \u2167", "C++ / C# && || <> {} [] () ^_^ ~ \\ `",
    "$1,234.56 \u20ac99 50% 3.14159 1e-9 0x1F", "http://example.org/a?b=c&d=e#f", "\u2581under\u2581score\u2581 \u2581", "\u0120fake \u010a bytes",
    "<|im_end|>", "A <|im_start|>user\nhi<|im_end|>\n B", "<s>", "<s> x </s>", "a<s>b", "<unk> <unk>", "</s><s>", "<0x41><0x0A>", "<bos>hi<eos>",
    "<start_of_turn>user\nhi<end_of_turn>\n", "<|begin_of_text|>x<|eot_id|>", "<|start_story|>Once", "<|endoftext|>", "<think>so</think>", "<|im_", "|im_end|>",
    "\ufffd\ufffd", "\U0010ffff\ue000\ufffe", "a\u0085b\u00a0c\u2028d\u3000e", "'\u017f 's 'S x'\u017fx", "''s '''", "\n'S\r\n'll", "O'Brien's", " 'tis",
]


# Special tokens never stand in training text: no merge may make one.
SPECIAL = re.compile(r"<\|\w+\|>|</?(s|unk|bos|eos|pad|think|start_of_turn|end_of_turn)>|<0x..>")


def corpus():
    """Synthetic text in which generated and hostile texts are common, so that merges run across every boundary that a
    wrong pre-tokenizer could miss."""
    rng = SplitMix(7)
    lines = []
    for _ in range(6000):
        lines.append(generate(rng))
    for text in TEXTS:
        lines += [text] * 4
    words = "the movie Film Part story of a man who loved night day star war love return king first last city don't it's".split()
    for _ in range(3000):
        lines.append(" ".join(words[rng.next() % len(words)] for _ in range(1 + rng.next() % 9)))
    return [SPECIAL.sub(" ", line) for line in lines]


class SplitMix:
    """SplitMix64, the same in the Go test."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & (2**64 - 1)
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
        return z ^ (z >> 31)


def generate(rng):
    return "".join(FRAGMENTS[rng.next() % len(FRAGMENTS)] for _ in range(1 + rng.next() % 12))


def special(*contents, **flags):
    return [AddedToken(c, special=True, normalized=False, **flags) for c in contents]


def train(name, out, vocab, model, normalizer=None, pre=None, final_pre=None, decoder=None, post=None, specials=(), alphabet=None, extra=()):
    tok = Tokenizer(model)
    if normalizer is not None:
        tok.normalizer = normalizer
    if pre is not None:
        tok.pre_tokenizer = pre
    tok.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=vocab, min_frequency=2, show_progress=False,
                            special_tokens=list(specials), initial_alphabet=alphabet or [], max_token_length=12, limit_alphabet=400))
    if final_pre is not None:
        tok.pre_tokenizer = final_pre
    if decoder is not None:
        tok.decoder = decoder
    tok.add_tokens(list(extra))
    if post is not None:
        tok.post_processor = post(tok)
    data = json.loads(tok.to_str())
    write(out, f"{name}.tokenizer.json", data)
    return data


def write(out, name, data):
    with open(os.path.join(out, name), "w", encoding="utf-8") as f:
        json.dump(data, f, ensure_ascii=True, separators=(",", ":"))
        f.write("\n")


def bos_template(token):
    return lambda tok: processors.TemplateProcessing(single=f"{token} $A", pair=f"{token} $A {token} $B", special_tokens=[(token, tok.token_to_id(token))])


def families(out):
    byte_alphabet = pre_tokenizers.ByteLevel.alphabet()
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    byte_pieces = [f"<0x{b:02X}>" for b in range(256)]

    def split(pattern):
        return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), whole])

    files = {}
    files["gpt2"] = train("gpt2", out, 900, models.BPE(), pre=whole, final_pre=pre_tokenizers.ByteLevel(add_prefix_space=False), decoder=decoders.ByteLevel(),
                          alphabet=byte_alphabet, specials=special("<|endoftext|>"))
    files["llama3"] = train("llama3", out, 1400, models.BPE(ignore_merges=True), pre=whole, final_pre=split(LLAMA3), decoder=decoders.ByteLevel(),
                            alphabet=byte_alphabet, extra=special("<|begin_of_text|>", "<|eot_id|>"),
                            post=lambda tok: processors.Sequence([processors.ByteLevel(trim_offsets=True), bos_template("<|begin_of_text|>")(tok)]))
    files["qwen2"] = train("qwen2", out, 1400, models.BPE(), normalizer=normalizers.NFC(), pre=whole, final_pre=split(QWEN2), decoder=decoders.ByteLevel(),
                           alphabet=byte_alphabet, extra=special("<|endoftext|>", "<|im_start|>", "<|im_end|>")
                           + [AddedToken("<think>", special=False, normalized=False), AddedToken("</think>", special=False, normalized=False)])

    spm_decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])

    def fallback(fuse=True):
        return models.BPE(unk_token="<unk>", fuse_unk=fuse, byte_fallback=True)

    files["llama2"] = train("llama2", out, 1100, fallback(), normalizer=normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]),
                            decoder=spm_decoder, specials=special("<unk>", "<s>", "</s>") + byte_pieces, post=bos_template("<s>"))
    files["mistral"] = train("mistral", out, 1100, fallback(), pre=pre_tokenizers.Metaspace("\u2581", prepend_scheme="first", split=False), decoder=spm_decoder,
                             specials=special("<unk>", "<s>", "</s>") + byte_pieces, post=bos_template("<s>"))
    files["gemma3"] = train("gemma3", out, 1100, fallback(), normalizer=normalizers.Replace(" ", "\u2581"), final_pre=pre_tokenizers.Split(" ", "merged_with_previous"),
                            decoder=decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]),
                            specials=special("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>") + byte_pieces,
                            extra=[AddedToken(t, special=False, normalized=False) for t in ("\n", "\n\n", "\n\n\n", "\u2581\u2581", "\u2581\u2581\u2581", "[MASK]")],
                            post=bos_template("<bos>"))
    for name in ("llama2", "mistral", "gemma3"):
        # The byte pieces are vocabulary, not added tokens.
        files[name]["added_tokens"] = [t for t in files[name]["added_tokens"] if not re.fullmatch("<0x..>", t["content"])]
        write(out, f"{name}.tokenizer.json", files[name])
    # Older files write a merge as one string.
    files["gemma3"]["model"]["merges"] = [m for m in files["gemma3"]["model"]["merges"]]
    files["gpt2"]["model"]["merges"] = [" ".join(m) for m in files["gpt2"]["model"]["merges"]]
    write(out, "gpt2.tokenizer.json", files["gpt2"])
    return files


def variants(files):
    """Changes to a family's file, one feature each: name -> (base, {path: value})."""

    def added(data, *tokens):
        vocab = data["model"]["vocab"]
        used = {t["id"] for t in data["added_tokens"]} | set(vocab.values())
        result = list(data["added_tokens"])
        for content, flags in tokens:
            id = vocab.get(content, max(used) + 1)
            used.add(id)
            result.append({"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False} | flags)
        result.sort(key=lambda t: t["id"])
        return result

    def split(pattern, behavior, invert=False):
        return {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]}

    flags = [("[L]", {"lstrip": True}), ("[R]", {"rstrip": True, "special": True}), ("[W]", {"single_word": True}), ("Day", {"normalized": True}),
             ("[MASK]", {"lstrip": True, "rstrip": True, "normalized": True, "special": True}), ("the", {"single_word": True, "normalized": True}), ("<|im_", {}),
             ("<|im_end|>", {"special": True}), ("\u00e9", {"normalized": True})]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    result = {
        "smollm": ("gpt2", {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level]}}),
        "digits": ("gpt2", {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": False}, byte_level]}}),
        "prefix-space": ("gpt2", {"pre_tokenizer": byte_level | {"add_prefix_space": True}}),
        "added-flags": ("gpt2", {"added_tokens": added(files["gpt2"], *flags)}),
        "added-normalized": ("gpt2", {"added_tokens": added(files["gpt2"], *flags), "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]}}),
        "nfd": ("gpt2", {"normalizer": {"type": "NFD"}}),
        "nfkd": ("gpt2", {"normalizer": {"type": "NFKD"}}),
        "nfkc-strip": ("gpt2", {"normalizer": {"type": "Sequence", "normalizers": [{"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "NFKC"}]}}),
        "replace-regex": ("gpt2", {"normalizer": {"type": "Replace", "pattern": {"Regex": r" {2,}|\s+(?!\S)"}, "content": " "}}),
        "o200k": ("llama3", {"pre_tokenizer": split({"Regex": O200K}, "Isolated")}),
        "removed": ("llama3", {"pre_tokenizer": split({"Regex": r"\s+|\d"}, "Removed")}),
        "inverted": ("llama3", {"pre_tokenizer": split({"Regex": r"\w+|[^\w\s]+"}, "Removed", True)}),
        "contiguous": ("llama3", {"pre_tokenizer": split({"Regex": r"[\s\-.]|\p{P}"}, "Contiguous")}),
        "merged-next": ("llama3", {"pre_tokenizer": split({"String": " "}, "MergedWithNext")}),
        "merged-previous": ("llama3", {"pre_tokenizer": split({"Regex": r"[ \t]"}, "MergedWithPrevious")}),
        "empty-matches": ("llama3", {"pre_tokenizer": split({"Regex": r"x*|a??b"}, "Isolated")}),
        "lazy-possessive": ("llama3", {"pre_tokenizer": split({"Regex": r"[a-z]+?\d|\p{Lu}++(?=[a-z])|(?:ab)?.|\n"}, "Isolated")}),
        "llama.cpp-default": ("gpt2", {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": p}, "behavior": "Isolated", "invert": False} for p in (
                r"[\p{P}\$\+<=>\^~\|]+", r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)", r"\p{N}+", r"[0-9][0-9][0-9]")]
            + [byte_level | {"use_regex": False}]}}),
        "metaspace-always": ("mistral", {"pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
                                         "decoder": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}}),
        "metaspace-never": ("mistral", {"pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "never", "split": False},
                                        "decoder": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "never", "split": False}}),
        "added-metaspace": ("mistral", {"added_tokens": added(files["mistral"], *flags)}),
        "added-prepend": ("llama2", {"added_tokens": [t | {"normalized": True} for t in added(files["llama2"], *flags)]}),
        "no-fallback": ("llama2", {"model.byte_fallback": False}),
        "no-fallback-no-fuse": ("llama2", {"model.byte_fallback": False, "model.fuse_unk": False}),
        "no-unk": ("gemma3", {"model.byte_fallback": False, "model.unk_token": None}),
        "no-decoder": ("gpt2", {"decoder": None}),
    }
    return {name: {"base": base, "set": change} for name, (base, change) in result.items()}


def apply(data, change):
    data = json.loads(json.dumps(data))
    for path, value in change.items():
        at = data
        *parents, last = path.split(".")
        for p in parents:
            at = at[p]
        at[last] = value
    return data


class HF:
    def __init__(self, data):
        self.tok = Tokenizer.from_str(data if isinstance(data, str) else json.dumps(data))

    def encode(self, texts, special_as_text):
        self.tok.encode_special_tokens = special_as_text
        return [e.ids for e in self.tok.encode_batch(texts, add_special_tokens=False)]

    def decode(self, batch):
        return self.tok.decode_batch(batch, skip_special_tokens=False)


class SP:
    def __init__(self, path):
        self.sp = sentencepiece.SentencePieceProcessor(model_file=path)
        n = self.sp.get_piece_size()
        controls = [self.sp.id_to_piece(i) for i in range(n) if self.sp.is_control(i) or self.sp.is_unknown(i)]
        self.split = re.compile("(" + "|".join(re.escape(c) for c in sorted(controls, key=len, reverse=True)) + ")")
        self.controls = set(controls)

    def one(self, text):
        ids = []
        for part in self.split.split(text):
            ids += [self.sp.piece_to_id(part)] if part in self.controls else self.sp.encode(part)
        return ids

    def encode(self, texts, special_as_text):
        return [self.sp.encode(t) if special_as_text else self.one(t) for t in texts]

    def decode(self, batch):
        return [self.sp.decode(ids) for ids in batch]


def digest(items):
    h = hashlib.sha256()
    for item in items:
        h.update((item if isinstance(item, str) else " ".join(map(str, item))).encode("utf-8") + b"\n")
    return h.hexdigest()


def golden(tok, title_sets):
    text_ids = tok.encode(TEXTS, True)
    special_ids = tok.encode(TEXTS, False)
    rng = SplitMix(20240229)
    generated = [generate(rng) for _ in range(GENERATED)]
    gen_ids, gen_special = tok.encode(generated, True), tok.encode(generated, False)
    result = {
        "encode": text_ids,
        "special": {str(i): s for i, (s, t) in enumerate(zip(special_ids, text_ids)) if s != t},
        "decode": {str(i): d for i, (d, t) in enumerate(zip(tok.decode(text_ids), TEXTS)) if d != t},
        "generated": {"encode": digest(gen_ids), "special": digest(gen_special), "decode": digest(tok.decode(gen_special))},
    }
    if title_sets:
        result["titles"] = {}
        for name, titles in title_sets.items():
            ids = tok.encode(titles, True)
            step = max(1, len(titles) // 5)
            result["titles"][name] = {"count": len(titles), "sha256": digest(ids), "samples": {str(i): ids[i] for i in range(0, len(titles), step)}}
    return result


GENERATED = 4000


def unicode_data():
    """Sums over what the reference says of every code point: the classes of Oniguruma, and the normalizers' data."""
    points = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
    result = {"classes": {}, "forms": {}}
    for name in (r"\p{L}", r"\p{N}", r"\p{M}", r"\p{P}", r"\p{S}", r"\p{Lu}", r"\p{Ll}", r"\p{Lt}", r"\p{Lm}", r"\p{Lo}", r"\p{Nd}", r"\p{Nl}", r"\p{No}", r"\p{Pc}", r"\p{Sm}", r"\p{Zs}", r"\s", r"\w", r"\d",
                 r"(?i:s)", r"(?i:k)", r"[^\s\p{L}\p{N}]", r"\W", r"."):
        matches = pre_tokenizers.Split(Regex(name), "removed", invert=True)
        found = []
        for at in range(0, len(points), 4096):
            found += [ord(c) for part, _ in matches.pre_tokenize_str("".join(map(chr, points[at:at + 4096]))) for c in part]
        result["classes"][name] = digest([found])
    for name in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase"):
        form = getattr(normalizers, name)()
        # What lies beyond is unassigned or private.
        result["forms"][name] = digest(form.normalize_str("e" + chr(c) + "\u0323\u0301") for c in points if c < 0x33480)
    return result


def titles(shared):
    def double_colon(path, encoding):
        with io.open(path, encoding=encoding, newline="\n") as f:
            return [line.rstrip("\r\n").split("::")[1] for line in f if line.strip()]

    data = os.path.join(shared, "data")
    with io.open(os.path.join(data, "ml-latest-small", "movies.csv"), encoding="utf-8", newline="") as f:
        small = [row["title"] for row in csv.DictReader(f)]
    return {"ml-1m": double_colon(os.path.join(data, "ml-1m", "movies.dat"), "latin-1"), "ml-latest-small": small,
            "movietweetings": double_colon(os.path.join(data, "movietweetings", "movies.dat"), "utf-8")}


def train_sentencepiece(out):
    """Two small sentencepiece models: one as Llama's (identity), one with rules, user-defined symbols, and extra spaces removed."""
    lines = [line.replace("\x00", "").replace("\n", " ").replace("\r", " ") for line in corpus()]
    lines = [line for line in lines if line.strip()]
    common = dict(sentence_iterator=None, model_type="bpe", num_threads=1, minloglevel=2, vocab_size=700, character_coverage=0.98, max_sentencepiece_length=12,
                  hard_vocab_limit=False)
    rules = "\n".join(f"{' '.join(f'{ord(c):X}' for c in a)}\t{' '.join(f'{ord(c):X}' for c in b)}" for a, b in [
        ("\ufb01", "fi"), ("\u00e9", "e"), ("e\u0301", "e"), ("\u3000", " "), ("\u00a0", " "), ("\t", " "), ("\n", " "), ("\u200b", ""), ("\u2026", "..."), ("\u2167", "VIII"),
        ("\uff21", "A"), ("\u0130", "i"), ("\u00bd", " 1/2"), ("movie", "film")])
    path = os.path.join(out, "rules.tsv")
    with open(path, "w", encoding="utf-8") as f:
        f.write(rules + "\n")
    for name, args in {
        "sp-llama": dict(byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True, allow_whitespace_only_pieces=True),
        "sp-rules": dict(normalization_rule_tsv=path, user_defined_symbols=["<think>", "\u2581\u2581", "VIII", "\U0001f600"], control_symbols=["<|im_end|>"]),
        "sp-across": dict(byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=False, split_by_whitespace=False,
                          split_by_unicode_script=False, split_by_number=False),
    }.items():
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(**(common | args | {"sentence_iterator": iter(lines), "model_writer": model}))
        with open(os.path.join(out, f"{name}.model"), "wb") as f:
            f.write(model.getvalue())
    os.remove(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", default="../shared")
    parser.add_argument("--out", default="tokenizer/testdata")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    files = families(args.out)
    changes = variants(files)
    write(args.out, "variants.json", changes)
    train_sentencepiece(args.out)
    real = titles(args.shared)
    results = {"texts": TEXTS, "fragments": FRAGMENTS, "generated": GENERATED, "seed": 20240229, "tokenizers": {}, "variants": {}, "unicode": unicode_data()}
    for name, data in files.items():
        results["tokenizers"][name] = golden(HF(data), real)
    for name, change in changes.items():
        full = golden(HF(apply(files[change["base"]], change["set"])), None)
        results["variants"][name] = {"texts": digest(full["encode"]), **full["generated"]}
    for name in ("sp-llama", "sp-rules", "sp-across"):
        results["tokenizers"][name] = golden(SP(os.path.join(args.out, f"{name}.model")), real)
    models_dir = os.path.join(args.shared, "models")
    for name in ("smollm2-tokenizer", "tinystories-656k"):
        with open(os.path.join(models_dir, name, "tokenizer.json"), encoding="utf-8") as f:
            results["tokenizers"][name] = golden(HF(f.read()), real)
    results["tokenizers"]["llama2-tokenizer"] = golden(SP(os.path.join(models_dir, "llama2-tokenizer", "tokenizer.model")), real)
    write(args.out, "golden.json", results)


if __name__ == "__main__":
    main()

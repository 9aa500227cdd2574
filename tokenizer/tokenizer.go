// Package tokenizer turns text into token ids exactly as the tokenizer that a model was trained with does. It reads Hugging
// Face tokenizer.json files (byte-level and sentencepiece-style BPE), sentencepiece tokenizer.model files (BPE), and the
// vocabulary inside GGUF files. What a file asks for and this package does not do is an error that names it: a tokenizer
// that loads is exact.
package tokenizer

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// ErrUnsupported is wrapped by every error about a tokenizer file that is well formed but asks for something this package
// does not do. The error's text names it.
var ErrUnsupported = errors.New("tokenizer: unsupported")

// ErrMalformed is wrapped by every error about a tokenizer file that is damaged or contradicts itself.
var ErrMalformed = errors.New("tokenizer: malformed")

func unsupportedf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsupported, fmt.Sprintf(format, args...))
}

func malformedf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// codec is one kind of tokenizer: Hugging Face's pipeline or sentencepiece.
type codec interface {
	// encode appends the ids of valid UTF-8 text to dst. With special, special tokens written out in the text become
	// their ids; without, they are text like any other.
	encode(dst []int32, text string, special bool) []int32
	decode(ids []int32) string
}

// Tokenizer is an immutable tokenizer; all its methods may be called from many goroutines at once.
type Tokenizer struct {
	codec
	ids  map[string]int32 // every vocabulary entry, added tokens included
	size int
	bos  marker
	eos  marker
	hash string
}

// marker is a special token that begins or ends sequences.
type marker struct {
	id    int32
	known bool
	// add says that the tokenizer itself puts the token on every sequence.
	add bool
}

// Encode returns the ids of the text, without adding any special token. Text is text: a special token written out in it,
// such as a film titled "<|im_end|>", is spelled with ordinary tokens and never becomes the special id. Added tokens that
// are not special match as in Hugging Face's tokenizers with encode_special_tokens set. Bytes that are not UTF-8 count as
// U+FFFD, one for each maximal invalid part.
func (t *Tokenizer) Encode(text string) []int32 {
	return t.encode(make([]int32, 0, len(text)/3+2), toValidUTF8(text), false)
}

// EncodeSpecial is Encode for trusted text, such as a chat template: special tokens written out in the text become their
// ids. It adds none by itself (Hugging Face: encode(text, add_special_tokens=False)).
func (t *Tokenizer) EncodeSpecial(text string) []int32 {
	return t.encode(make([]int32, 0, len(text)/3+2), toValidUTF8(text), true)
}

// Decode returns the text of the ids, special tokens included where the tokenizer's own decoder shows them. Ids outside
// of the vocabulary are left out; bytes that form no UTF-8 come out as U+FFFD.
func (t *Tokenizer) Decode(ids []int32) string { return t.decode(ids) }

// ID returns the id of one vocabulary entry as it is written in the vocabulary, e.g. "<|im_start|>" or "ĠYes", and whether
// there is one.
func (t *Tokenizer) ID(token string) (int32, bool) {
	id, ok := t.ids[token]
	return id, ok
}

// BOS returns the id that starts sequences, or -1 if there is none, and whether the model wants it at the start of every
// sequence.
func (t *Tokenizer) BOS() (int32, bool) {
	if !t.bos.known {
		return -1, false
	}
	return t.bos.id, t.bos.add
}

// EOS returns the id that ends sequences, or -1 if none is known, and whether one is known.
func (t *Tokenizer) EOS() (int32, bool) {
	if !t.eos.known {
		return -1, false
	}
	return t.eos.id, true
}

// VocabSize returns the number of ids: one more than the largest, added tokens included. A model's embedding has at least
// as many rows; some have more, for alignment.
func (t *Tokenizer) VocabSize() int { return t.size }

// Hash identifies vocabulary and rules: a SHA-256 in hex over everything that decides about ids. Two tokenizers with the
// same hash give the same ids for every text.
func (t *Tokenizer) Hash() string { return t.hash }

// toValidUTF8 replaces each maximal invalid part by U+FFFD, as the Unicode standard recommends (section 3.9) and as
// Python's errors="replace" and Rust's from_utf8_lossy do. (strings.ToValidUTF8 replaces whole runs by one.)
func toValidUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	out := make([]byte, 0, len(s)+8)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r != utf8.RuneError || n > 1 {
			out = append(out, s[i:i+n]...)
			i += n
			continue
		}
		out = append(out, "\uFFFD"...)
		i += invalidLen(s[i:])
	}
	return string(out)
}

// invalidLen returns the length of the maximal invalid part at the start of s: the longest prefix that could have begun a
// well-formed sequence, at least one byte.
func invalidLen(s string) int {
	lo, hi, want := byte(0x80), byte(0xBF), 0
	switch c := s[0]; {
	case c >= 0xC2 && c <= 0xDF:
		want = 2
	case c >= 0xE0 && c <= 0xEF:
		want = 3
		switch c {
		case 0xE0:
			lo = 0xA0
		case 0xED:
			hi = 0x9F
		}
	case c >= 0xF0 && c <= 0xF4:
		want = 4
		switch c {
		case 0xF0:
			lo = 0x90
		case 0xF4:
			hi = 0x8F
		}
	default:
		return 1
	}
	n := 1
	for n < want && n < len(s) && s[n] >= lo && s[n] <= hi {
		lo, hi = 0x80, 0xBF
		n++
	}
	return n
}

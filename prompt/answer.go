package prompt

import (
	"errors"
	"fmt"
	"slices"
)

// anchor is a neutral context to encode a piece of text in: byte-level and sentencepiece tokenizers alike end a token at a line break,
// and only the latter would put a word mark before text that stands alone.
const anchor = "\n"

// continuation returns the ids with which text continues context, and whether context's own ids are the same with and without the text
// behind them. Where they are not (a token of the whole reaches over the boundary), the ids are those of the text after a line break.
func continuation(tok Tokenizer, context, text string) (ids []int32, clean bool) {
	if ids, ok := suffix(tok, context, text); ok {
		return ids, true
	}
	if ids, ok := suffix(tok, anchor, text); ok {
		return ids, false
	}
	return tok.Encode(text), false
}

func suffix(tok Tokenizer, context, text string) ([]int32, bool) {
	head, whole := tok.Encode(context), tok.Encode(context+text)
	if len(whole) < len(head) || !slices.Equal(whole[:len(head)], head) {
		return nil, false
	}
	return whole[len(head):], true
}

// answers looks up the tokens by which two answer words differ first after a context, and lead, what both begin with: some tokenizers make a
// token of the space before a word. The question ends with lead, so that the next token tells.
func answers(tok Tokenizer, context, yes, no string) (lead []int32, a Answers, err error) {
	var ids [2][]int32
	for k, word := range []string{yes, no} {
		if ids[k], _ = continuation(tok, context, word); len(ids[k]) == 0 {
			return nil, a, fmt.Errorf("prompt: the answer word %q has no tokens", word)
		}
	}
	n := Common(ids[0], ids[1])
	if n == min(len(ids[0]), len(ids[1])) {
		return nil, a, fmt.Errorf("prompt: answers %q and %q: %w (%v %q)", yes, no, ErrSameAnswer, ids[0][:n], tok.Decode(ids[0][:n]))
	}
	return ids[0][:n], Answers{Yes: ids[0][n], No: ids[1][n]}, nil
}

// withBOS starts a sequence: the beginning-of-sequence token if the model wants one, then the ids.
func withBOS(tok Tokenizer, ids []int32) []int32 {
	bos, wanted := tok.BOS()
	if !wanted {
		return slices.Clone(ids)
	}
	return append([]int32{bos}, ids...)
}

// specialEncoder is a Tokenizer that can read the names of special tokens in a text as the tokens.
type specialEncoder interface {
	EncodeSpecial(text string) []int32
}

// trusting encodes text with EncodeSpecial.
type trusting struct {
	Tokenizer
	special specialEncoder
}

func (t trusting) Encode(text string) []int32 { return t.special.EncodeSpecial(text) }

// Line writes one free-form prompt as a sequence with one target at its last token (Sample 0, Label false: both are the caller's to
// set). The tokens are those of Hugging Face's tokenizer on the same text: preceded by the beginning-of-sequence token if the model wants
// one (also where the text already starts with it), with the names of special tokens inside the text standing for those tokens (where
// the tokenizer has a method EncodeSpecial).
//
// The answers are the first tokens in which yes and no, continuing the prompt, differ; tokens that both begin with end the sequence. Where the prompt's last token would be another one
// with the word behind it (a prompt that ends in a space, say), the words are encoded as they stand after a line break.
func Line(tok Tokenizer, prompt, yes, no string) (Sequence, Answers, error) {
	if tok == nil {
		return Sequence{}, Answers{}, errors.New("prompt: no tokenizer")
	}
	if s, ok := tok.(specialEncoder); ok {
		tok = trusting{tok, s}
	}
	ids := withBOS(tok, tok.Encode(prompt))
	if len(ids) == 0 {
		return Sequence{}, Answers{}, errors.New("prompt: an empty prompt has no token to read an answer at")
	}
	lead, ans, err := answers(tok, prompt, yes, no)
	if err != nil {
		return Sequence{}, Answers{}, err
	}
	ids = append(ids, lead...)
	return Sequence{Tokens: ids, Targets: []Target{{Position: int32(len(ids) - 1)}}}, ans, nil
}

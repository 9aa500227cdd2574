package prompt

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"lsat/period"
)

// Template writes samples as sequences. A template is safe for concurrent use.
type Template interface {
	// Name is the template's name: "tallrec" or "stream".
	Name() string
	// Hash identifies everything that decides the tokens: words, layout, limits and tokenizer. It is a SHA-256 in hex.
	Hash() string
	// Answers are the ids of the tokens that the two answer words begin with at a target.
	Answers() Answers
	// Sequences writes the samples, given as strictly increasing indices into stream.Samples. Every sample asked for is the target
	// of exactly one sequence, and nothing else is a target. It fails with ErrTooLong where one sample alone exceeds MaxTokens.
	Sequences(stream *period.Stream, samples []int) ([]Sequence, error)
}

// Errors that callers may want to tell apart.
var (
	// ErrTooLong says that a single target does not fit into MaxTokens even without any history.
	ErrTooLong = errors.New("prompt too long")
	// ErrSameAnswer says that one answer word's tokens begin the other's, so that no token tells them apart.
	ErrSameAnswer = errors.New("one answer word is the beginning of the other")
)

// layoutVersion changes whenever the same Config would give other tokens than before, so that stored adapters trained on the old
// layout are not taken for adapters of the new one.
const layoutVersion = 1

// New makes the template that cfg asks for. Options left out take their documented defaults.
func New(cfg Config, tok Tokenizer) (Template, error) {
	if tok == nil {
		return nil, errors.New("prompt: no tokenizer")
	}
	cfg, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	if cfg.Template == TallRec {
		return newTallRec(cfg, tok)
	}
	return newStream(cfg, tok)
}

// hash identifies a resolved configuration together with a tokenizer.
func (c Config) hash(tok Tokenizer) string {
	b, err := json.Marshal(struct {
		Layout    int
		Config    Config
		Tokenizer string
	}{layoutVersion, c, tok.Hash()})
	if err != nil { // a Config holds only strings and integers, which always have a JSON form
		b = []byte(err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// checkSamples refuses indices that the stream does not have, and any order but a strictly increasing one.
func checkSamples(stream *period.Stream, samples []int) error {
	if stream == nil || stream.Set == nil {
		return errors.New("prompt: no stream")
	}
	for k, i := range samples {
		if i < 0 || i >= len(stream.Samples) {
			return fmt.Errorf("prompt: sample %d asked for, but the stream has samples 0 to %d", i, len(stream.Samples)-1)
		}
		if k > 0 && i <= samples[k-1] {
			return fmt.Errorf("prompt: samples must be strictly increasing, but %d follows %d", i, samples[k-1])
		}
	}
	return nil
}

// describe names a sample in an error message.
func describe(stream *period.Stream, i int) string {
	return fmt.Sprintf("sample %d (user %q, item %q)", i, stream.Set.Users[stream.User(i)], stream.Set.Items[stream.Item(i)].ID)
}

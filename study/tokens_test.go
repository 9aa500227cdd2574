package study

import (
	"testing"

	"lsat/period"
	"lsat/prompt"
)

// told is a template that may tell popularity.
type told bool

func (told) Name() string            { return "told" }
func (told) Hash() string            { return "told-template" }
func (told) Answers() prompt.Answers { return prompt.Answers{Yes: 1} }
func (t told) Counts() bool          { return bool(t) }
func (told) Sequences(*period.Stream, []int) ([]prompt.Sequence, error) {
	return nil, nil
}

// The samples do not decide what a template that counts says, so its tokens take part in the names of jobs and scores; other templates keep theirs.
func TestTokensNameWhatCountsDecide(t *testing.T) {
	a := prompt.List{{Tokens: []int32{1, 2}}, {Tokens: []int32{3}}}
	b := prompt.List{{Tokens: []int32{1}}, {Tokens: []int32{2, 3}}}
	x := &executor{in: Inputs{Template: told(true)}}
	name := func(parts ...prompt.Source) string {
		hash, err := x.templateHash(parts...)
		if err != nil {
			t.Fatal(err)
		}
		return hash
	}
	if name(a) == name(b) || name(a, b) == name(b, a) {
		t.Error("other tokens have the same name")
	}
	if again := (prompt.List{{Tokens: []int32{1, 2}}, {Tokens: []int32{3}}}); name(a) != name(again) {
		t.Error("the same tokens have two names")
	}
	x.in.Template = told(false)
	if got := name(a); got != "told-template" {
		t.Errorf("a template that does not count is named %s", got)
	}
}

package prompt

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"lsat/period"
)

func TestConfigIsChecked(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Template: "talrec"}, `unknown template "talrec"`},
		{Config{Title: "short"}, `unknown form "short"`},
		{Config{MaxTokens: -1}, "max_tokens: -1"},
		{Config{TargetsPerSequence: -1}, "targets_per_sequence: -1"},
		{Config{Window: ptr(-1)}, "window: -1"},
		{Config{Yes: "Ja", No: "Ja"}, `both "Ja"`},
		{Config{Item: "{title}"}, "item: wants {label} exactly once"},
		{Config{Item: "{label} {title}"}, "{label} before {title}"},
		{Config{Item: "{title} {genre} {label}"}, "unknown placeholder {genre}"},
		{Config{Header: "{title}"}, "header: unknown placeholder {title}"},
		{Config{Template: TallRec, Prompt: "{title}"}, "prompt: wants {liked} exactly once"},
		{Config{Template: TallRec, Listed: "-"}, "listed: wants {title} exactly once"},
		{Config{Template: TallRec, Window: ptr(3)}, `belong to the template "stream"`},
		{Config{Template: Stream, Prompt: "x"}, `belong to the template "tallrec"`},
	} {
		_, err := New(c.cfg, &wordTokenizer{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got error %v, want %q", c.cfg, err, c.want)
		}
	}
	if _, err := New(Config{}, nil); err == nil {
		t.Error("a nil tokenizer was taken")
	}
	for _, template := range []string{TallRec, Stream} {
		if _, err := New(Config{Template: template, Yes: "the best", No: "the best film"}, &wordTokenizer{}); !errors.Is(err, ErrSameAnswer) {
			t.Errorf("%s: an answer that begins the other: got %v, want ErrSameAnswer", template, err)
		}
	}
}

func TestHashCoversEverything(t *testing.T) {
	hash := func(c Config, tok Tokenizer) string { return must(t, c, tok).Hash() }
	base := hash(Config{}, &wordTokenizer{})
	if got := hash(Config{Template: Stream, Title: Natural, MaxTokens: 1024, TargetsPerSequence: 40, Noun: "movie", Verb: "like", Yes: "Yes", No: "No",
		Untitled: "untitled", Header: DefaultHeader, Item: DefaultItem}, &wordTokenizer{}); got != base {
		t.Error("the defaults, written out, have another hash")
	}
	seen := map[string]string{base: "default"}
	for _, js := range []string{
		`{"template":"tallrec"}`, `{"template":"tallrec","between":"; "}`, `{"template":"tallrec","listed":"{title}"}`,
		`{"template":"tallrec","prompt":"{liked}{disliked}{title}"}`, `{"title":"published"}`, `{"max_tokens":100}`, `{"targets_per_sequence":4}`, `{"window":0}`,
		`{"window":7}`, `{"noun":"book"}`, `{"verb":"enjoy"}`, `{"yes":"Good"}`, `{"no":"Bad"}`, `{"untitled":"?"}`, `{"header":"H"}`, `{"item":"\n{title}: {label}"}`,
	} {
		var c Config
		if err := json.Unmarshal([]byte(js), &c); err != nil {
			t.Fatal(err)
		}
		h := hash(c, &wordTokenizer{})
		if seen[h] != "" {
			t.Errorf("%s has the same hash as %s", js, seen[h])
		}
		seen[h] = js
	}
	if hash(Config{}, otherTokenizer{&wordTokenizer{}}) == base {
		t.Error("another tokenizer, the same hash")
	}
}

type otherTokenizer struct{ *wordTokenizer }

func (otherTokenizer) Hash() string { return "others" }

// What both answer words begin with ends the question, and the answers are the tokens after it.
func TestAnswersThatBeginAlikeAreToldApartLater(t *testing.T) {
	for _, template := range []string{TallRec, Stream} {
		tok := &wordTokenizer{}
		s := makeStream(t, films, 1, fourThenOne, period.Options{History: 2, Count: 1})
		tpl := must(t, Config{Template: template, Yes: "the best", No: "the worst"}, tok)
		if a := tpl.Answers(); tok.Decode([]int32{a.Yes, a.No}) != " best worst" {
			t.Errorf("%s: answers %q", template, tok.Decode([]int32{a.Yes, a.No}))
		}
		seqs, err := tpl.Sequences(s, all(s))
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range seqs {
			for k, target := range q.Targets {
				if at := tok.Decode(q.Tokens[target.Position : target.Position+1]); strings.TrimSpace(at) != "the" {
					t.Errorf("%s: target %d is read at %q", template, k, at)
				}
			}
		}
	}
	q, a, err := Line(&wordTokenizer{}, "Good?", " the best", " the worst")
	if err != nil || len(q.Tokens) != 3 || q.Targets[0].Position != 2 || a.Yes == a.No {
		t.Errorf("a line: %+v, answers %v (%v)", q, a, err)
	}
}

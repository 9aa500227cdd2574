package prompt

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lsat/period"
)

// subset draws samples, leaving out some in between.
func subset(rng *rand.Rand, s *period.Stream) []int {
	keep := rng.Float64()
	var out []int
	for i := range s.Samples {
		if rng.Float64() < keep {
			out = append(out, i)
		}
	}
	return out
}

// checkTargets wants every sample asked for exactly once, with its own label, and positions in order inside the sequence.
func checkTargets(t *testing.T, s *period.Stream, samples []int, seqs []Sequence, maxTokens int) {
	t.Helper()
	var got []int
	for _, q := range seqs {
		if len(q.Tokens) > maxTokens {
			t.Fatalf("a sequence of %d tokens, max_tokens is %d", len(q.Tokens), maxTokens)
		}
		last := int32(-1)
		for _, target := range q.Targets {
			if target.Position <= last || int(target.Position) >= len(q.Tokens) {
				t.Fatalf("position %d after %d in %d tokens", target.Position, last, len(q.Tokens))
			}
			last = target.Position
			if target.Label != s.Samples[target.Sample].Label {
				t.Fatalf("sample %d has label %v", target.Sample, target.Label)
			}
			got = append(got, int(target.Sample))
		}
		if int(last) != len(q.Tokens)-1 {
			t.Fatalf("%d tokens, but the last target is at %d: what follows it costs and says nothing", len(q.Tokens), last)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, samples) {
		t.Fatalf("asked for samples %v, got targets %v", samples, got)
	}
}

// item is what an event looks like in a stream sequence of titles without articles.
func item(s *period.Stream, event int32, labelled bool) string {
	text := " " + s.Set.Items[s.Set.Interactions[event].Item].Title + ":"
	switch {
	case !labelled:
		return text
	case s.Set.Interactions[event].Rating >= s.Options.Threshold:
		return text + " Yes"
	}
	return text + " No"
}

// TestStreamSeesTheTrueHistory reads each target's context back from the tokens it can see, by the rule that Sequence documents, and
// compares it with what period.Stream says the sample may look at.
func TestStreamSeesTheTrueHistory(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	split, short := 0, 0
	for round := range 200 {
		s := randomStream(t, rng, period.Options{History: 1 + rng.IntN(6), MinHistory: 1 + rng.IntN(4), StrictTime: round%4 == 3})
		tok := &wordTokenizer{bos: round%2 == 0}
		cfg := Config{Header: "Films.", MaxTokens: 60 + rng.IntN(300), TargetsPerSequence: 1 + rng.IntN(12)}
		if round%5 == 4 {
			cfg.Window, cfg.MaxTokens = ptr(0), 1<<20
		}
		samples := subset(rng, s)
		seqs, err := must(t, cfg, tok).Sequences(s, samples)
		if err != nil {
			t.Fatal(err)
		}
		checkTargets(t, s, samples, seqs, cfg.MaxTokens)
		for _, q := range seqs {
			cut := false
			if len(q.Targets) > cfg.TargetsPerSequence {
				t.Fatalf("%d targets in a sequence, want at most %d", len(q.Targets), cfg.TargetsPerSequence)
			}
			for k, target := range q.Targets {
				var seen []int32
				for p := range target.Position + 1 {
					if q.Window == 0 || q.Steps[p] < 0 || q.Steps[p] >= q.Steps[target.Position]-q.Window {
						seen = append(seen, q.Tokens[p])
					}
				}
				text := strings.TrimPrefix(strings.TrimPrefix(tok.Decode(seen), "<s>"), "Films.")
				i := int(target.Sample)
				want := ""
				for _, e := range s.History(i) {
					want += item(s, e, true)
				}
				ask := item(s, s.Samples[i].Event, false)
				switch {
				case text == want+ask:
				case q.Window == 0 && strings.HasSuffix(text, want+ask):
				case k == 0 && strings.HasSuffix(want+ask, text):
					// A history that did not fit has lost its oldest items, and no more of them than it had to.
					shown := int(q.Steps[target.Position])
					missing := s.History(i)[len(s.History(i))-shown-1]
					if len(q.Tokens[:target.Position+1])+len(tok.Encode(item(s, missing, true))) <= cfg.MaxTokens {
						t.Fatalf("sample %d lost %q, which would have fitted", i, item(s, missing, true))
					}
					cut = true
					short++
				case cut && strings.HasSuffix(want+ask, text) && int(q.Steps[target.Position]) < s.Options.History:
					// Later targets look back to the same shortened beginning.
				default:
					t.Fatalf("sample %d sees\n%q\nwant\n%q", i, text, want+ask)
				}
			}
		}
		if len(seqs) > len(s.Set.Users) {
			split++
		}
	}
	if split == 0 || short == 0 {
		t.Errorf("%d rounds with split runs, %d shortened histories: the cases do not test what they should", split, short)
	}
}

// Runs are only cut where they have to be: by the number of targets, by length, or by a gap.
func TestStreamStartsAnewOnlyWhereItMust(t *testing.T) {
	var events []event
	for i := range 60 {
		events = append(events, event{0, int32(i % len(films)), 4, int64(i)})
	}
	s := makeStream(t, films, 1, events, period.Options{History: 3, Count: 1})
	tok := &wordTokenizer{}
	for _, c := range []struct {
		name    string
		cfg     Config
		samples []int
		want    []int // targets of each sequence
	}{
		{"one run", Config{TargetsPerSequence: 100}, all(s), []int{57}},
		{"by count", Config{TargetsPerSequence: 25}, all(s), []int{25, 25, 7}},
		{"a gap as long as the history stays", Config{}, []int{0, 4, 8}, []int{3}},
		{"a longer gap does not", Config{}, []int{0, 5, 6}, []int{1, 2}},
	} {
		seqs, err := must(t, c.cfg, tok).Sequences(s, c.samples)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, q := range seqs {
			got = append(got, len(q.Targets))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v targets, want %v", c.name, got, c.want)
		}
	}
}

func TestTallRecLosesTheOldestHistory(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	s := randomStream(t, rng, period.Options{History: 8})
	tok := &wordTokenizer{bos: true}
	cfg := Config{Template: TallRec, Prompt: "{liked}\n{disliked}\n{title}"}
	full, err := must(t, cfg, tok).Sequences(s, all(s))
	if err != nil {
		t.Fatal(err)
	}
	checkTargets(t, s, all(s), full, 512)
	shortened := 0
	for cfg.MaxTokens = 30; cfg.MaxTokens < 140; cfg.MaxTokens += 10 {
		seqs, err := must(t, cfg, tok).Sequences(s, all(s))
		if err != nil {
			t.Fatal(err)
		}
		checkTargets(t, s, all(s), seqs, cfg.MaxTokens)
		for k, q := range seqs {
			// Rebuild the prompt from the newest n events for the largest n that fits.
			i := int(q.Targets[0].Sample)
			h := s.History(i)
			want := ""
			for n := len(h); n >= 0; n-- {
				var lists [2][]string
				for _, e := range h[len(h)-n:] {
					liked := 1
					if s.Liked(e) {
						liked = 0
					}
					lists[liked] = append(lists[liked], `"`+s.Set.Items[s.Set.Interactions[e].Item].Title+`"`)
				}
				want = strings.Join(lists[0], ", ") + "\n" + strings.Join(lists[1], ", ") + "\n" + s.Set.Items[s.Item(i)].Title
				if len(tok.Encode(want))+1 <= cfg.MaxTokens {
					break
				}
			}
			if got := tok.Decode(q.Tokens); got != "<s>"+want {
				t.Fatalf("max_tokens %d, sample %d: got\n%s\nwant\n%s", cfg.MaxTokens, i, got, want)
			}
			if len(q.Tokens) < len(full[k].Tokens) {
				shortened++
			}
		}
	}
	if shortened == 0 {
		t.Error("nothing was shortened: the limits test nothing")
	}
}

func TestTooLongNamesTheSample(t *testing.T) {
	s := makeStream(t, []string{"A", "B", strings.Repeat("Very ", 300) + "Long"}, 1,
		[]event{{0, 0, 5, 1}, {0, 1, 1, 2}, {0, 2, 5, 3}, {0, 0, 5, 4}}, period.Options{History: 1, Count: 1})
	for _, cfg := range []Config{{Template: TallRec, MaxTokens: 200}, {Template: Stream, MaxTokens: 200}} {
		tpl := must(t, cfg, &wordTokenizer{})
		_, err := tpl.Sequences(s, []int{0, 1})
		if !errors.Is(err, ErrTooLong) || !strings.Contains(err.Error(), `sample 1 (user "u0", item "i2")`) {
			t.Errorf("%s: got %v, want ErrTooLong with the sample's name", cfg.Template, err)
		}
		// In a history the long title is left out as a whole.
		seqs, err := tpl.Sequences(s, []int{0, 2})
		if err != nil {
			t.Fatal(err)
		}
		checkTargets(t, s, []int{0, 2}, seqs, 200)
		for _, q := range seqs {
			if text := tpl.(interface{ text([]int32) string }).text(q.Tokens); strings.Contains(text, "Very") {
				t.Errorf("%s: half a title: %s", cfg.Template, text)
			}
		}
	}
}

func (t *tallRec) text(ids []int32) string   { return t.tok.Decode(ids) }
func (t *streaming) text(ids []int32) string { return t.tok.Decode(ids) }

func TestSamplesAreChecked(t *testing.T) {
	s := makeStream(t, films, 1, fourThenOne, period.Options{History: 2, Count: 1})
	for _, name := range []string{TallRec, Stream} {
		tpl := must(t, Config{Template: name}, &wordTokenizer{})
		for _, bad := range [][]int{{-1}, {3}, {1, 0}, {1, 1}} {
			if _, err := tpl.Sequences(s, bad); err == nil {
				t.Errorf("%s took the samples %v of 3", name, bad)
			}
		}
		if _, err := tpl.Sequences(nil, []int{0}); err == nil {
			t.Errorf("%s took no stream", name)
		}
		if seqs, err := tpl.Sequences(s, nil); err != nil || len(seqs) != 0 {
			t.Errorf("%s of no samples: %v, %v", name, seqs, err)
		}
	}
}

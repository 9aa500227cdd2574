package prompt

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lsat/period"
)

// toldOf works out, one event at a time, what a prompt may tell of an event's item.
func toldOf(s *period.Stream, event int32) string {
	events := s.Set.Interactions
	limit := event // before period 1, what came before the event itself
	for p := 1; p < len(s.Periods); p++ {
		if start := s.Samples[s.Periods[p].All.Lo].Event; event >= start {
			limit = start
		}
	}
	rated, liked := 0, 0
	for k, e := range events[:limit] {
		if e.Item == events[event].Item && (!s.Options.StrictTime || e.Time < events[limit].Time) {
			rated++
			if s.Liked(int32(k)) {
				liked++
			}
		}
	}
	if rated == 0 {
		return " (no viewers yet)"
	}
	return fmt.Sprintf(" (liked by %d%% of %d viewers)", int(100*float64(liked)/float64(rated)+.5), rated)
}

// The popularity that prompts tell is that of the moment before the item's period, for the target of a tallrec prompt and for every item of a stream.
func TestPopularityIsThatOfEarlierPeriods(t *testing.T) {
	said := map[bool]int{}
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 3))
		s := randomStream(t, rng, period.Options{History: 4, MinHistory: 1, StrictTime: seed%2 == 1, Threshold: 3})
		tok := &wordTokenizer{bos: true}
		tall := must(t, Config{Template: TallRec, Popularity: true}, tok)
		for _, i := range all(s) {
			seqs, err := tall.Sequences(s, []int{i})
			if err != nil {
				t.Fatal(err)
			}
			want := toldOf(s, s.Samples[i].Event)
			said[strings.Contains(want, "liked")]++
			title := s.Set.Items[s.Item(i)].Title
			if text := tok.Decode(seqs[0].Tokens); !strings.Contains(text, `"`+title+`"`+want+"?") || strings.Count(text, "viewers") != 1 {
				t.Fatalf("seed %d, sample %d: no %q behind the target in\n%s", seed, i, want, text)
			}
		}
		run := must(t, Config{Popularity: true, Title: Published, TargetsPerSequence: 5}, tok)
		seqs, err := run.Sequences(s, all(s))
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range seqs {
			text := tok.Decode(q.Tokens)
			for _, target := range q.Targets {
				e := s.Samples[target.Sample].Event
				want := " " + s.Set.Items[s.Item(int(target.Sample))].Title + toldOf(s, e) + ":"
				if got := tok.Decode(q.Tokens[:target.Position+1]); !strings.HasSuffix(got, want) {
					t.Fatalf("seed %d, sample %d: asked with %q, want it to end with %q", seed, target.Sample, got, want)
				}
			}
			// The items between and before the targets are told of as they were in their own time.
			line := s.Timeline(s.User(int(q.Targets[0].Sample)))
			for _, e := range line {
				text = strings.Replace(text, " "+s.Set.Items[s.Set.Interactions[e].Item].Title+toldOf(s, e)+":", "", 1)
			}
			if strings.Contains(text, "viewers") {
				t.Fatalf("seed %d: items are told of otherwise: %s", seed, text)
			}
		}
	}
	if said[true] == 0 || said[false] == 0 {
		t.Errorf("%d rated and %d unrated targets were seen", said[true], said[false])
	}
}

// Turning round every rating from a moment on changes nothing that is said of items up to the end of that moment's period.
func TestPopularityKnowsNoFuture(t *testing.T) {
	titles := []string{"A", "B", "C"}
	rng := rand.New(rand.NewPCG(9, 9))
	var events []event
	for k := range 300 {
		events = append(events, event{int32(rng.IntN(6)), int32(rng.IntN(3)), float32(1 + rng.IntN(5)), int64(k)})
	}
	o := period.Options{History: 3, MinHistory: 1, Count: 4}
	s := makeStream(t, titles, 6, events, o)
	for from := range len(events) {
		turned := append([]event(nil), events...)
		for k := from; k < len(turned); k++ {
			turned[k].rating = 6 - turned[k].rating
		}
		other := makeStream(t, titles, 6, turned, o)
		was, is := newPopularity(s), newPopularity(other)
		last := 0 // of the events that must hear nothing of the change: to the end of their period, or before period 1 up to the first turned one
		for p := range s.Periods {
			if hi := s.Periods[p].All.Hi; p > 0 && s.Samples[s.Periods[p].All.Lo].Event <= int32(from) {
				last = len(events)
				if hi < len(s.Samples) {
					last = int(s.Samples[hi].Event)
				}
			}
		}
		for e := range int32(max(last, from+1)) {
			if a, b := was.of(s, e), is.of(other, e); a != b {
				t.Fatalf("ratings turned from event %d on: event %d is told %v instead of %v", from, e, b, a)
			}
		}
	}
}

func TestPopularityWords(t *testing.T) {
	events := []event{{0, 0, 5, 0}, {1, 0, 1, 1}, {0, 0, 5, 2}, {1, 0, 1, 3}}
	s := makeStream(t, []string{"Emma"}, 2, events, period.Options{History: 2, MinHistory: 1, Count: 1})
	tok := &wordTokenizer{}
	tpl := must(t, Config{Noun: "book", Popularity: true, Item: " {title}, {popularity}: {label}", Rated: "{share} in 100 of {count} {noun} lovers {verb} it",
		Unrated: "a new {noun}"}, tok)
	seqs, err := tpl.Sequences(s, []int{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tok.Decode(seqs[0].Tokens), "Does the user like the book? Emma, a new book: Yes Emma, 50 in 100 of 2 book lovers like it:"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := (Config{Rated: "{share}/{count}"}).popularityText(tally{rated: 8, liked: 1}), "13/8"; got != want { // 12.5 rounds up
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPopularityOptions(t *testing.T) {
	for want, c := range map[string]Config{
		"rated and unrated are texts of popularity":                           {Rated: DefaultRated},
		"item: wants {popularity} exactly once":                               {Popularity: true, Item: DefaultItem},
		"item: unknown placeholder {popularity}":                              {Item: " {title}{popularity}: {label}"},
		"prompt: wants {popularity} exactly once":                             {Template: TallRec, Popularity: true, Prompt: DefaultPrompt},
		"rated: wants {count} exactly once":                                   {Popularity: true, Rated: "{share}"},
		"unrated: unknown placeholder {count}":                                {Popularity: true, Unrated: "{count}"},
		"has {popularity} before {title}":                                     {Popularity: true, Item: " {popularity}{title}: {label}"},
		"{label} before {title} or {popularity}, so the answer would precede": {Popularity: true, Item: " {title}: {label}{popularity}"},
	} {
		if _, err := New(c, &wordTokenizer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	for _, name := range []string{Stream, TallRec} {
		plain, told := must(t, Config{Template: name}, &wordTokenizer{}), must(t, Config{Template: name, Popularity: true}, &wordTokenizer{})
		if plain.Hash() == told.Hash() {
			t.Errorf("%s: the same hash with and without popularity", name)
		}
		if plain.(Counting).Counts() || !told.(Counting).Counts() {
			t.Errorf("%s does not say whether it counts", name)
		}
	}
}

// On real titles the pieces have the ids of the text encoded at once. On ML-1M's period 10 the default words cost SmolLM2 19 tokens an item beside
// the 9.25 of the title and its label, and short ones 13: its numbers are spelled digit by digit.
func TestPopularityTokens(t *testing.T) {
	for name, tok := range realTokenizers(t) {
		s := ml1m(t)
		var samples []int
		for i := s.Periods[10].All.Lo; i < s.Periods[10].All.Hi; i++ {
			samples = append(samples, i)
		}
		for rated, most := range map[string]float64{DefaultRated: 28.5, " {share}% of {count}": 22.7} {
			seqs, err := must(t, Config{Title: NaturalNoYear, Popularity: true, Rated: rated, Unrated: " new"}, tok).Sequences(s, samples)
			if err != nil {
				t.Fatal(err)
			}
			total, differ := 0, 0
			for _, q := range seqs {
				total += len(q.Tokens)
				if text := tok.Decode(q.Tokens); !slices.Equal(withBOS(tok, tok.Encode(strings.TrimPrefix(text, "<s>"))), q.Tokens) {
					differ++
				}
			}
			each := float64(total) / float64(len(samples))
			t.Logf("%s, %q: %.2f tokens per target", name, rated, each)
			if differ > 0 {
				t.Errorf("%s, %q: %d of %d sequences have other ids than their text", name, rated, differ, len(seqs))
			}
			if name == "smollm2-tokenizer" && (each > most || each < most-2) {
				t.Errorf("%q costs %.2f tokens per target, want about %v", rated, each, most)
			}
		}
	}
}

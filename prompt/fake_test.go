package prompt

import (
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"lsat/dataset"
	"lsat/period"
)

// wordTokenizer is a small tokenizer with the property that matters: a space belongs to the word behind it. Ids are given in the order
// in which words are first seen.
type wordTokenizer struct {
	bos bool
	mu  sync.Mutex
	ids map[string]int32
	all []string
}

var word = regexp.MustCompile(` ?\pL+| ?[^\s\pL]|\s`)

func (w *wordTokenizer) Encode(text string) []int32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ids == nil {
		w.ids, w.all = map[string]int32{"<s>": 0}, []string{"<s>"}
	}
	var out []int32
	for _, s := range word.FindAllString(text, -1) {
		id, ok := w.ids[s]
		if !ok {
			id = int32(len(w.all))
			w.ids[s] = id
			w.all = append(w.all, s)
		}
		out = append(out, id)
	}
	return out
}

func (w *wordTokenizer) Decode(ids []int32) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(w.all[id])
	}
	return b.String()
}

func (w *wordTokenizer) ID(token string) (int32, bool) { id, ok := w.ids[token]; return id, ok }
func (w *wordTokenizer) BOS() (int32, bool)            { return 0, w.bos }
func (w *wordTokenizer) Hash() string                  { return "words" }

// event is one line of a hand-written data set.
type event struct {
	user, item int32
	rating     float32
	time       int64
}

func makeStream(t testing.TB, titles []string, users int, events []event, opts period.Options) *period.Stream {
	t.Helper()
	set := &dataset.Set{Name: "test", Hash: "test"}
	for i, title := range titles {
		set.Items = append(set.Items, dataset.Item{ID: "i" + strconv.Itoa(i), Title: title})
	}
	for u := range users {
		set.Users = append(set.Users, "u"+strconv.Itoa(u))
	}
	for _, e := range events {
		set.Interactions = append(set.Interactions, dataset.Interaction{Time: e.time, User: e.user, Item: e.item, Rating: e.rating})
	}
	s, err := period.New(set, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// randomStream is a random data set whose events often share a second.
func randomStream(t testing.TB, rng *rand.Rand, opts period.Options) *period.Stream {
	t.Helper()
	var titles []string
	for i := range 30 {
		title := "Film"
		for range 1 + rng.IntN(4) {
			title += " " + string(rune('A'+i)) + string(rune('a'+rng.IntN(26)))
		}
		titles = append(titles, title+" (19"+strconv.Itoa(10+i)+")")
	}
	users := 1 + rng.IntN(5)
	var events []event
	var now int64
	for range 150 {
		now += int64(rng.IntN(3))
		events = append(events, event{int32(rng.IntN(users)), int32(rng.IntN(len(titles))), float32(1 + rng.IntN(5)), now})
	}
	opts.Count = 2
	return makeStream(t, titles, users, events, opts)
}

func must(t testing.TB, cfg Config, tok Tokenizer) Template {
	t.Helper()
	tpl, err := New(cfg, tok)
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

func ptr[T any](v T) *T { return &v }

func all(s *period.Stream) []int {
	out := make([]int, len(s.Samples))
	for i := range out {
		out[i] = i
	}
	return out
}

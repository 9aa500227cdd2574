package recommender

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"

	"lsat/baseline"
	"lsat/dataset"
	"lsat/device"
	"lsat/period"
)

// backends are those that this machine has; the Go backend is always there.
func backends(t *testing.T) map[string]compute.Backend {
	t.Helper()
	out := map[string]compute.Backend{}
	for _, name := range []string{device.Go, device.XLACPU} {
		b, _, _, err := device.Open(name)
		if err != nil {
			t.Logf("%s is not tested here: %v", name, err)
			continue
		}
		out[name] = b
	}
	if out[device.Go] == nil {
		t.Fatal("the Go backend must always be there")
	}
	return out
}

// fastest is XLA where it is there, else the Go backend.
func fastest(t *testing.T) compute.Backend {
	t.Helper()
	all := backends(t)
	if b := all[device.XLACPU]; b != nil {
		return b
	}
	return all[device.Go]
}

// world is data whose law is known. A user's next item is drawn by next, and liked with the log-odds that odds gives, from the user's events so far.
type world struct {
	users, items, events int
	history              int
	title                func(item int) string
	next                 func(rng *rand.Rand, event int) int
	odds                 func(user, item int, past []event) float64
}

type event struct {
	item  int
	liked bool
}

// stream makes the data, and the true log-odds of every interaction.
func (w world) stream(t *testing.T) (*period.Stream, []float64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 5))
	set := &dataset.Set{Name: "planted", Hash: "planted"}
	for u := range w.users {
		set.Users = append(set.Users, fmt.Sprint("u", u))
	}
	for i := range w.items {
		item := dataset.Item{ID: fmt.Sprint(i)}
		if w.title != nil {
			item.Title = w.title(i)
		}
		set.Items = append(set.Items, item)
	}
	past := make([][]event, w.users)
	var odds []float64
	for k := range w.events {
		u, i := rng.IntN(w.users), rng.IntN(w.items)
		if w.next != nil {
			i = w.next(rng, k)
		}
		z := w.odds(u, i, past[u])
		e := event{i, rng.Float64() < 1/(1+math.Exp(-z))}
		rating := float32(1)
		if e.liked {
			rating = 5
		}
		odds, past[u] = append(odds, z), append(past[u], e)
		set.Interactions = append(set.Interactions, dataset.Interaction{Time: int64(k) * 60, User: int32(u), Item: int32(i), Rating: rating})
	}
	s, err := period.New(set, period.Options{Count: 4, History: w.history})
	if err != nil {
		t.Fatal(err)
	}
	return s, odds
}

// split is all periods but the last to learn from, and the last to test on.
func split(s *period.Stream) (Parts, []int) {
	last, newest := s.Periods[len(s.Periods)-1], s.Periods[len(s.Periods)-2]
	return Parts{Train: span(0, newest.Train.Hi), Valid: span(newest.Valid.Lo, newest.Valid.Hi)}, span(last.All.Lo, last.All.Hi)
}

// compared is the AUC of a recommender, of the true log-odds, and of item plus user mean, on the last period.
func compared(t *testing.T, name string, o Options, s *period.Stream, odds []float64) (got, best, means float64) {
	t.Helper()
	parts, test := split(s)
	r, err := New(name, fastest(t), o)
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.Fit(t.Context(), s, parts)
	if err != nil {
		t.Fatal(err)
	}
	score := func(m baseline.Model) float64 {
		z, err := m.Score(s, test)
		if err != nil {
			t.Fatal(err)
		}
		return aucOf(t, s, test, z)
	}
	simple, err := baseline.Means{}.Fit(s, span(0, s.Periods[len(s.Periods)-1].All.Lo))
	if err != nil {
		t.Fatal(err)
	}
	truth := make([]float64, len(test))
	for k, i := range test {
		truth[k] = odds[s.Samples[i].Event]
	}
	got, best, means = score(m), aucOf(t, s, test, truth), score(simple)
	t.Logf("%s: AUC %.4f after %d epochs, the law %.4f, means %.4f", name, got, m.Epochs, best, means)
	return got, best, means
}

// tastes are users' and items' factors on two axes: their product has rank 2.
func tastes(user, item int) float64 {
	a, b := 2.4*float64(user), 2.4*float64(item)
	return 3 * math.Cos(a-b)
}

func TestMFFindsALowRank(t *testing.T) {
	w := world{users: 60, items: 50, events: 40000, history: 4, odds: func(u, i int, _ []event) float64 { return tastes(u, i) }}
	s, odds := w.stream(t)
	got, best, means := compared(t, "mf", Options{Dim: 8, LearningRate: .01, Epochs: 20}, s, odds)
	if got < best-.02 || got < means+.2 {
		t.Errorf("AUC %.4f: want near the law's %.4f, and far from the means' %.4f", got, best, means)
	}
}

// Items of the last period have no rating before it, and their titles' words tell their factor.
func TestDeepMusicKnowsANewItemByItsWords(t *testing.T) {
	const kinds, items = 5, 200
	s, odds := world{
		users: 60, items: items, events: 30000, history: 4,
		title: func(i int) string { return fmt.Sprintf("Word%d Film%d", i%kinds, i) },
		next: func(rng *rand.Rand, k int) int {
			if k < 24000 {
				return rng.IntN(items / 2)
			}
			return items/2 + rng.IntN(items/2)
		},
		odds: func(u, i int, _ []event) float64 { return tastes(u, i%kinds) },
	}.stream(t)
	o := Options{Dim: 16, LearningRate: .005, Epochs: 20}
	got, best, _ := compared(t, "deepmusic", o, s, odds)
	blind, _, _ := compared(t, "mf", o, s, odds)
	if got < best-.04 || got < blind+.1 {
		t.Errorf("AUC %.4f: want near the law's %.4f, and far from the %.4f of MF, which has no word for the new items", got, best, blind)
	}
}

// What is liked next depends on the order of the history: of two kinds of items, users like now the kind of their last item, whatever came before. A bag
// of the same items and labels knows little of that, and nothing of the target's own quality helps.
func TestSequenceModelsReadTheOrder(t *testing.T) {
	s, odds := world{users: 100, items: 20, events: 30000, history: 6, odds: func(_, i int, past []event) float64 {
		if len(past) == 0 {
			return 0
		}
		last := past[len(past)-1]
		if (last.item%2 == i%2) == last.liked {
			return 2
		}
		return -2
	}}.stream(t)
	for _, name := range []string{"gru4rec", "caser", "sasrec"} {
		o := Options{Dim: 16, LearningRate: .005, Epochs: 12}
		got, best, means := compared(t, name, o, s, odds)
		if got < best-.03 || got < means+.15 {
			t.Errorf("%s: AUC %.4f, want near the law's %.4f, and far from the means' %.4f", name, got, best, means)
		}
		o.HideLabels, o.Epochs = true, 2
		if blind, _, _ := compared(t, name, o, s, odds); math.Abs(blind-.5) > .05 {
			t.Errorf("%s: AUC %.4f without the history's labels, which decide: want about .5", name, blind)
		}
	}
}

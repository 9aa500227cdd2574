package dataset

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestGenerateSizes(t *testing.T) {
	for _, o := range []GenerateOptions{
		{}, {Users: 1, Items: 2, Interactions: 1}, {Users: 3, Items: 4, Interactions: 1000}, {Users: 1000, Items: 20, Interactions: 9000, Seed: 7},
		{Users: 5, Items: 1, Interactions: 2}, {Start: 100, End: 160, Periods: 300},
	} {
		s := Generate(o)
		d := o.withDefaults()
		if len(s.Users) != d.Users || len(s.Items) != d.Items || len(s.Interactions) != d.Interactions {
			t.Errorf("%+v: %d users, %d items, %d interactions", d, len(s.Users), len(s.Items), len(s.Interactions))
		}
		pairs, titles := map[[2]int32]bool{}, map[string]bool{}
		for i, e := range s.Interactions {
			pair := [2]int32{e.User, e.Item}
			if pairs[pair] {
				t.Fatalf("%+v: user %d rates item %d twice", d, e.User, e.Item)
			}
			pairs[pair] = true
			if e.Time < d.Start || e.Time >= d.End || e.Rating < 1 || e.Rating > 5 || (i > 0 && e.Time < s.Interactions[i-1].Time) {
				t.Fatalf("%+v: event %d is %+v", d, i, e)
			}
		}
		for _, it := range s.Items {
			if titles[it.Title] {
				t.Errorf("two items are called %q", it.Title)
			}
			titles[it.Title] = true
		}
	}
}

func TestGenerateIsSeeded(t *testing.T) {
	o := GenerateOptions{Users: 50, Items: 60, Interactions: 1000, Seed: 3}
	a := Generate(o)
	if b := Generate(o); a.Hash != b.Hash {
		t.Error("one seed gives two sets")
	}
	o.Seed = 4
	if b := Generate(o); a.Hash == b.Hash {
		t.Error("two seeds give one set")
	}
}

// TestGeneratePlants: what the options plant can be found in the ratings. Each structure is switched on alone and looked for by the variance it
// explains, and is not found where it is off.
func TestGeneratePlants(t *testing.T) {
	base := GenerateOptions{Users: 400, Items: 300, Interactions: 40_000, UserBias: -1, ItemBias: -1, Long: -1, Drift: -1, Trend: -1, Noise: .5}
	period := func(e Interaction) int {
		d := base.withDefaults()
		return int((e.Time - d.Start) * int64(d.Periods) / (d.End - d.Start))
	}
	genre := func(s *Set, e Interaction) string { return s.Items[e.Item].Categories[0] }
	for name, c := range map[string]struct {
		plant func(*GenerateOptions)
		group func(*Set, Interaction) any
	}{
		"user bias":         {func(o *GenerateOptions) { o.UserBias = .8 }, func(_ *Set, e Interaction) any { return e.User }},
		"item bias":         {func(o *GenerateOptions) { o.ItemBias = .8 }, func(_ *Set, e Interaction) any { return e.Item }},
		"long-lived tastes": {func(o *GenerateOptions) { o.Long = .8 }, func(s *Set, e Interaction) any { return [2]any{e.User, genre(s, e)} }},
		"drifting tastes":   {func(o *GenerateOptions) { o.Drift = .8 }, func(s *Set, e Interaction) any { return [3]any{e.User, genre(s, e), period(e)} }},
		"shared fashion":    {func(o *GenerateOptions) { o.Trend = .8 }, func(s *Set, e Interaction) any { return [2]any{genre(s, e), period(e)} }},
	} {
		planted := base
		c.plant(&planted)
		off, on := explained(Generate(base), c.group), explained(Generate(planted), c.group)
		if on < off+.15 || math.Abs(off) > .05 {
			t.Errorf("%s explains %.3f of the variance where planted and %.3f where not", name, on, off)
		}
	}
}

// explained is the share of the ratings' variance that the groups explain, less what as many groups explain of noise (adjusted R²).
func explained(s *Set, group func(*Set, Interaction) any) float64 {
	type sums struct{ n, x float64 }
	groups := map[any]*sums{}
	var n, x, xx float64
	for _, e := range s.Interactions {
		k := group(s, e)
		if groups[k] == nil {
			groups[k] = &sums{}
		}
		r := float64(e.Rating)
		groups[k].n++
		groups[k].x += r
		n, x, xx = n+1, x+r, xx+r*r
	}
	total, within := xx-x*x/n, xx
	for _, g := range groups {
		within -= g.x * g.x / g.n
	}
	return 1 - (within/(n-float64(len(groups))))/(total/(n-1))
}

// TestGenerateDriftLasts: adjacent periods resemble each other more than distant ones, or there would be nothing for the next period to learn.
func TestGenerateDriftLasts(t *testing.T) {
	o := GenerateOptions{Users: 400, Items: 300, Interactions: 40_000, UserBias: -1, ItemBias: -1, Long: -1, Drift: -1, Trend: .8, Noise: .3}
	s := Generate(o)
	d := o.withDefaults()
	type cell struct {
		genre  string
		period int
	}
	sum, n := map[cell]float64{}, map[cell]float64{}
	for _, e := range s.Interactions {
		c := cell{s.Items[e.Item].Categories[0], int((e.Time - d.Start) * int64(d.Periods) / (d.End - d.Start))}
		sum[c] += float64(e.Rating)
		n[c]++
	}
	product := func(lag int) float64 {
		total, count := 0.0, 0.0
		for c := range n {
			later := cell{c.genre, c.period + lag}
			if n[later] > 0 {
				total += (sum[c]/n[c] - 3.5) * (sum[later]/n[later] - 3.5)
				count++
			}
		}
		return total / count
	}
	if near, far := product(1), product(10); near < far+.02 {
		t.Errorf("means of genres in adjacent periods agree by %.3f, ten periods apart by %.3f", near, far)
	}
}

// TestGenerateTies: some ratings share their user's second, as pages of ratings sent at once do.
func TestGenerateTies(t *testing.T) {
	s := Generate(GenerateOptions{})
	last, ties := map[int32]int64{}, 0
	for _, e := range s.Interactions {
		if last[e.User] == e.Time {
			ties++
		}
		last[e.User] = e.Time
	}
	if share := float64(ties) / float64(len(s.Interactions)); share < .1 || share > .6 {
		t.Errorf("%.2f of the events share the second of the user's one before", share)
	}
}

// TestWriteGenerated: the files hold the set that Generate makes, the same bytes every time, in MovieLens' order.
func TestWriteGenerated(t *testing.T) {
	o := LikeMovieLens25M(30_000, 7)
	want := Generate(o)
	var first [2]string
	for k := range 2 {
		dir := t.TempDir()
		if err := WriteGenerated(context.Background(), dir, o); err != nil {
			t.Fatal(err)
		}
		for i, name := range []string{"ratings.csv", "movies.csv"} {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if k == 0 {
				first[i] = string(b)
			} else if first[i] != string(b) {
				t.Errorf("%s has other bytes the second time", name)
			}
		}
		got, err := Open(context.Background(), dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Interactions) != len(want.Interactions) || len(got.Users) != len(want.Users) || got.Untitled != 0 {
			t.Fatalf("%s, want %s", got.Summary(), want.Summary())
		}
		// A user's ratings of one second are in the order of the file, so they are compared as sets.
		key := func(s *Set, e Interaction) string {
			return fmt.Sprint(strings.TrimPrefix(s.Users[e.User], "u"), e.Time, e.Rating, s.Items[e.Item].Title, s.Items[e.Item].Categories)
		}
		left := map[string]int{}
		for _, e := range want.Interactions {
			left[key(want, e)]++
		}
		for _, e := range got.Interactions {
			k := key(got, e)
			if left[k]--; left[k] < 0 {
				t.Fatalf("%s is not in the set", k)
			}
		}
	}
	o.Seed++
	dir := t.TempDir()
	if err := WriteGenerated(context.Background(), dir, o); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "ratings.csv")); err != nil || string(b) == first[0] {
		t.Errorf("another seed gives the same ratings (%v)", err)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if err := WriteGenerated(cancelled, t.TempDir(), o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestLikeMovieLens25M: users have at least twenty ratings and the mean is about twice the median; halves are among the ratings; few items have most of them.
func TestLikeMovieLens25M(t *testing.T) {
	s := Generate(LikeMovieLens25M(300_000, 1))
	users, items, halves := make([]int, len(s.Users)), make([]int, len(s.Items)), 0
	for _, e := range s.Interactions {
		users[e.User]++
		items[e.Item]++
		if e.Rating != float32(math.Round(float64(e.Rating))) {
			halves++
		}
		if e.Rating < .5 || e.Rating > 5 {
			t.Fatalf("a rating of %v", e.Rating)
		}
	}
	slices.Sort(users)
	slices.Sort(items)
	mean, median := float64(len(s.Interactions))/float64(len(users)), float64(users[len(users)/2])
	if users[0] < 20 || mean < 1.6*median || mean > 3*median {
		t.Errorf("users have from %d ratings, %.0f at the median and %.0f in the mean", users[0], median, mean)
	}
	if halves < len(s.Interactions)/4 {
		t.Errorf("%d of %d ratings are halves", halves, len(s.Interactions))
	}
	if least, most := items[0], items[len(items)-1]; most < 3*max(1, least) {
		t.Errorf("items have from %d to %d ratings", least, most)
	}
}

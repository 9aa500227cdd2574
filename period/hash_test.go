package period_test

import (
	"slices"
	"testing"

	"lsat/dataset"
	"lsat/period"
)

func copied(s *dataset.Set) *dataset.Set {
	c := *s
	c.Users, c.Items, c.Interactions = slices.Clone(s.Users), slices.Clone(s.Items), slices.Clone(s.Interactions)
	return &c
}

// TestHashSeesWhatTheModelSees changes one thing at a time: the hash of a slice changes with all that its samples show, and with nothing else.
func TestHashSeesWhatTheModelSees(t *testing.T) {
	set := dataset.Generate(dataset.GenerateOptions{Users: 20, Items: 200, Interactions: 1500, Seed: 2})
	opts := period.Options{Count: 4}
	s := stream(t, set, opts)
	slice := s.Periods[1].All
	base := s.HashRange(slice)
	shown := map[int32]bool{} // events that the slice shows
	for i := slice.Lo; i < slice.Hi; i++ {
		shown[s.Samples[i].Event] = true
		for _, e := range s.History(i) {
			shown[e] = true
		}
	}
	target, last := s.Samples[slice.Lo+5].Event, s.Samples[slice.Hi-1].Event
	past := s.History(slice.Lo)[0]
	hidden := int32(-1)
	for e := int32(0); e < past; e++ {
		if !shown[e] {
			hidden = e
		}
	}
	if hidden < 0 {
		t.Fatal("the slice shows every old event: the test needs another set")
	}
	flip := func(e *dataset.Interaction) { e.Rating = 6 - e.Rating + .5 }
	for name, c := range map[string]struct {
		change func(*dataset.Set)
		seen   bool
	}{
		"nothing":                {func(*dataset.Set) {}, false},
		"a target's rating":      {func(s *dataset.Set) { flip(&s.Interactions[target]) }, true},
		"a target's item":        {func(s *dataset.Set) { e := &s.Interactions[target]; e.Item = (e.Item + 1) % 200 }, true},
		"a history's rating":     {func(s *dataset.Set) { flip(&s.Interactions[past]) }, true},
		"a history's item":       {func(s *dataset.Set) { e := &s.Interactions[past]; e.Item = (e.Item + 1) % 200 }, true},
		"a target's title":       {func(s *dataset.Set) { s.Items[s.Interactions[target].Item].Title += "!" }, true},
		"a history's title":      {func(s *dataset.Set) { s.Items[s.Interactions[past].Item].Title += "!" }, true},
		"an item's categories":   {func(s *dataset.Set) { s.Items[s.Interactions[past].Item].Categories = []string{"New"} }, true},
		"a user's ID":            {func(s *dataset.Set) { s.Users[s.Interactions[target].User] += "!" }, true},
		"what came before":       {func(s *dataset.Set) { flip(&s.Interactions[hidden]) }, false},
		"what comes after":       {func(s *dataset.Set) { flip(&s.Interactions[last+1]) }, false},
		"the name and the files": {func(s *dataset.Set) { s.Name, s.Files, s.Hash = "x", []string{"y"}, "z" }, false},
		"the future cut off":     {func(s *dataset.Set) { s.Interactions = s.Interactions[:last+1] }, false},
		"items under other numbers": {func(s *dataset.Set) {
			slices.Reverse(s.Items)
			for i := range s.Interactions {
				s.Interactions[i].Item = int32(len(s.Items)) - 1 - s.Interactions[i].Item
			}
		}, false},
	} {
		changed := copied(set)
		c.change(changed)
		o := opts
		if len(changed.Interactions) != len(set.Interactions) {
			o.Count = 1 // only the range's samples matter, not the cut
		}
		if got := stream(t, changed, o).HashRange(slice); (got != base) != c.seen {
			t.Errorf("%s changed: the hash changed: %v, want %v", name, got != base, c.seen)
		}
	}
	short := opts
	short.History, short.MinHistory = 9, 10
	if stream(t, set, short).HashRange(slice) == base {
		t.Error("the hash does not see that histories are shorter")
	}
	strict := opts
	strict.Threshold = 5
	if stream(t, set, strict).HashRange(slice) == base {
		t.Error("the hash does not see that labels changed with the threshold")
	}
}

func stream(t *testing.T, set *dataset.Set, o period.Options) *period.Stream {
	t.Helper()
	s, err := period.New(set, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestHashSamples(t *testing.T) {
	s := stream(t, dataset.Generate(dataset.GenerateOptions{}), period.Options{})
	r := s.Periods[2].Train
	var all []int32
	for i := r.Lo; i < r.Hi; i++ {
		all = append(all, int32(i))
	}
	if s.HashSamples(all) != s.HashRange(r) {
		t.Error("the same samples as a range and as a list have two hashes")
	}
	seen := map[string]bool{s.HashSamples(all): true}
	swapped := slices.Clone(all)
	swapped[0], swapped[1] = swapped[1], swapped[0]
	for _, other := range [][]int32{all[1:], all[:len(all)-1], swapped, append(slices.Clone(all), all[0]), nil} {
		h := s.HashSamples(other)
		if len(h) != 64 || seen[h] {
			t.Errorf("%d samples have the hash %q of others", len(other), h)
		}
		seen[h] = true
	}
}

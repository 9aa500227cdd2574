package period_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lsat/dataset"
	"lsat/period"
)

// drawSet draws a small set with many ratings in the same second.
func drawSet(t *rapid.T) *dataset.Set {
	users, items := rapid.IntRange(1, 5).Draw(t, "users"), rapid.IntRange(1, 6).Draw(t, "items")
	s := &dataset.Set{Name: "drawn"}
	for u := range users {
		s.Users = append(s.Users, fmt.Sprintf("u%d", u))
	}
	for i := range items {
		s.Items = append(s.Items, dataset.Item{ID: fmt.Sprintf("i%d", i), Title: fmt.Sprintf("Item %d", i)})
	}
	at := int64(1000)
	for range rapid.IntRange(1, 80).Draw(t, "events") {
		at += rapid.Int64Range(0, 2).Draw(t, "wait")
		s.Interactions = append(s.Interactions, dataset.Interaction{Time: at, User: rapid.Int32Range(0, int32(users-1)).Draw(t, "user"),
			Item: rapid.Int32Range(0, int32(items-1)).Draw(t, "item"), Rating: float32(rapid.IntRange(1, 5).Draw(t, "rating"))})
	}
	return s
}

func drawOptions(t *rapid.T) period.Options {
	o := period.Options{
		Threshold: float32(rapid.IntRange(2, 5).Draw(t, "threshold")), History: rapid.IntRange(1, 4).Draw(t, "history"),
		MinHistory: rapid.IntRange(-1, 4).Draw(t, "minimum"), StrictTime: rapid.Bool().Draw(t, "strict"),
		Newest: rapid.IntRange(0, 40).Draw(t, "newest"), Count: rapid.IntRange(1, 4).Draw(t, "count"), ValidFraction: .25,
	}
	switch rapid.IntRange(0, 2).Draw(t, "cut") {
	case 1:
		o.EqualTime = true
	case 2:
		o.Boundaries = []int64{1000 + rapid.Int64Range(1, 60).Draw(t, "boundary")}
	}
	return o
}

// naive is a sample by brute force.
type naive struct {
	event   int32
	label   bool
	history []int32
}

func naiveSamples(set *dataset.Set, o period.Options) []naive {
	minimum := max(0, o.MinHistory)
	if o.MinHistory == 0 {
		minimum = o.History
	}
	var out []naive
	for i, e := range set.Interactions {
		var before []int32
		for j := range i {
			if p := set.Interactions[j]; p.User == e.User && (!o.StrictTime || p.Time < e.Time) {
				before = append(before, int32(j))
			}
		}
		if len(before) >= minimum {
			out = append(out, naive{int32(i), e.Rating >= o.Threshold, before[max(0, len(before)-o.History):]})
		}
	}
	if o.Newest > 0 && len(out) > o.Newest {
		out = out[len(out)-o.Newest:]
	}
	return out
}

// TestStream holds samples, histories, labels and periods to a derivation by brute force, and the audit to silence.
func TestStream(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set, o := drawSet(t), drawOptions(t)
		want := naiveSamples(set, o)
		s, err := period.New(set, o)
		if err != nil {
			switch {
			case errors.Is(err, period.ErrNoSamples) && len(want) == 0:
			case errors.Is(err, period.ErrEmptyPeriod) && len(want) > 0:
			default:
				t.Fatalf("%v with %d samples due", err, len(want))
			}
			return
		}
		if len(s.Samples) != len(want) {
			t.Fatalf("%d samples, want %d", len(s.Samples), len(want))
		}
		for i, w := range want {
			if s.Samples[i].Event != w.event || s.Samples[i].Label != w.label || !slices.Equal(s.History(i), w.history) {
				t.Fatalf("sample %d is %+v with history %v, want %+v", i, s.Samples[i], s.History(i), w)
			}
		}
		at := 0
		for k, p := range s.Periods {
			if p.All.Lo != at || p.All.Len() == 0 || p.Train.Lo != p.All.Lo || p.Train.Hi != p.Valid.Lo || p.Valid.Hi != p.All.Hi {
				t.Fatalf("period %d is %+v after sample %d", k, p, at)
			}
			at = p.All.Hi
			if got, want := p.Valid.Len(), int(math.Round(.25*float64(p.All.Len()))); got != want {
				t.Fatalf("period %d validates on %d of %d samples, want %d", k, got, p.All.Len(), want)
			}
			for i := p.All.Lo; i < p.All.Hi; i++ {
				when := set.Interactions[s.Samples[i].Event].Time
				if when < p.Start || when > p.End {
					t.Fatalf("sample %d of second %d is in period %d, %d to %d", i, when, k, p.Start, p.End)
				}
				if len(o.Boundaries) > 0 && (when >= o.Boundaries[0]) != (k == 1) {
					t.Fatalf("sample %d of second %d is in period %d, boundary %d", i, when, k, o.Boundaries[0])
				}
			}
			if o.Boundaries == nil && !o.EqualTime && (p.All.Len() < len(want)/o.Count || p.All.Len() > len(want)/o.Count+1) {
				t.Fatalf("period %d has %d of %d samples in %d periods", k, p.All.Len(), len(want), o.Count)
			}
		}
		if at != len(want) {
			t.Fatalf("the periods hold %d of %d samples", at, len(want))
		}
		same := 0
		for _, w := range want {
			for _, h := range w.history {
				if set.Interactions[h].Time == set.Interactions[w.event].Time {
					same++
				}
			}
		}
		report, err := s.Audit(context.Background())
		if err != nil {
			t.Fatalf("the audit complains: %v", err)
		}
		if report.SameSecond != same || (o.StrictTime && same > 0) {
			t.Fatalf("the audit counts %d history events of the target's second, want %d", report.SameSecond, same)
		}
		for k := 1; k < len(s.Periods); k++ {
			if err := s.AuditUse(list(s.Periods[k-1].Train), list(s.Periods[k-1].Valid), list(s.Periods[k].All), period.ValidAfterTrain()); err != nil {
				t.Fatalf("the protocol's own use: %v", err)
			}
		}
	})
}

func list(r period.Range) []int {
	var out []int
	for i := r.Lo; i < r.Hi; i++ {
		out = append(out, i)
	}
	return out
}

// TestAuditUse holds the audit of a use to the definition: every pair of events is compared.
func TestAuditUse(t *testing.T) {
	s, err := period.New(dataset.Generate(dataset.GenerateOptions{Users: 5, Items: 60, Interactions: 100}), period.Options{Count: 2})
	if err != nil {
		t.Fatal(err)
	}
	n := min(len(s.Samples), 12)
	index := rapid.SliceOfN(rapid.IntRange(0, n-1), 0, 4)
	leaks := 0
	rapid.Check(t, func(t *rapid.T) {
		train, valid, test := index.Draw(t, "train"), index.Draw(t, "valid"), index.Draw(t, "test")
		if rapid.Bool().Draw(t, "disjoint in time") { // chance alone seldom draws a clean use
			for i := range train {
				train[i] = i
			}
			for i := range valid {
				valid[i] = 4 + i
			}
			for i := range test {
				test[i] = 8 + i
			}
		}
		ordered := rapid.Bool().Draw(t, "train before valid")
		leak := false
		lists := [][]int{train, valid, test}
		for a := range lists {
			for x, i := range lists[a] {
				for b := range lists {
					for y, j := range lists[b] {
						if a == b && x == y {
							continue
						}
						leak = leak || i == j
						if (b == 2 && a < 2) || (ordered && a == 0 && b == 1) {
							leak = leak || s.Samples[i].Event >= s.Samples[j].Event
						}
					}
				}
			}
		}
		var opts []period.UseOption
		if ordered {
			opts = append(opts, period.ValidAfterTrain())
		}
		err := s.AuditUse(train, valid, test, opts...)
		if leak != errors.Is(err, period.ErrLeak) || (!leak && err != nil) {
			t.Fatalf("train %v, valid %v, test %v: %v, a leak: %v", train, valid, test, err, leak)
		}
		if leak {
			leaks++
		}
	})
	if leaks == 0 {
		t.Error("no leak was drawn")
	}
	for _, bad := range []int{-1, len(s.Samples)} {
		if err := s.AuditUse([]int{bad}, nil, nil); !errors.Is(err, period.ErrInconsistent) {
			t.Errorf("sample %d of %d: %v", bad, len(s.Samples), err)
		}
	}
}

// line makes a set of one user, one event an hour, with the given ratings.
func line(ratings ...float32) *dataset.Set {
	s := &dataset.Set{Name: "line", Users: []string{"u"}}
	for i, r := range ratings {
		s.Items = append(s.Items, dataset.Item{ID: fmt.Sprint(i), Title: fmt.Sprintf("Item %d", i)})
		s.Interactions = append(s.Interactions, dataset.Interaction{Time: int64(3600 * (i + 1)), Item: int32(i), Rating: r})
	}
	return s
}

// Four stars of five are liked, and eight of ten, without being told so.
func TestThresholdFollowsTheScale(t *testing.T) {
	for _, c := range []struct {
		highest, want float32
	}{{1, 4}, {4, 4}, {5, 4}, {5.5, 8}, {10, 8}, {11, 80}, {100, 80}, {1000, 800}} {
		s, err := period.New(line(1, 2, c.highest), period.Options{MinHistory: -1, Count: 1})
		if err != nil {
			t.Fatal(err)
		}
		if s.Options.Threshold != c.want {
			t.Errorf("ratings up to %v: liked from %v, want %v", c.highest, s.Options.Threshold, c.want)
		}
	}
	s, err := period.New(line(1, 2, 10), period.Options{MinHistory: -1, Count: 1, Threshold: 3})
	if err != nil || s.Options.Threshold != 3 {
		t.Errorf("a given threshold became %v, %v", s.Options.Threshold, err)
	}
}

func TestRefused(t *testing.T) {
	twelve := line(1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 5)
	backwards := line(1, 2, 3)
	backwards.Interactions[2].Time = 1
	stranger := line(1, 2, 3)
	stranger.Interactions[1].User = 7
	for name, c := range map[string]struct {
		set  *dataset.Set
		opts period.Options
		is   error
		says string
	}{
		"no set":                  {nil, period.Options{}, period.ErrNoSamples, ""},
		"too little history":      {line(1, 2, 3), period.Options{}, period.ErrNoSamples, "10 earlier"},
		"a window without":        {twelve, period.Options{From: 1 << 40}, period.ErrNoSamples, "from"},
		"more periods":            {twelve, period.Options{Count: 3}, period.ErrEmptyPeriod, "2 samples do not fill 3 periods"},
		"an empty stretch":        {twelve, period.Options{MinHistory: -1, Boundaries: []int64{7200, 7201, 7202}}, period.ErrEmptyPeriod, "period 2, from 1970-01-01 02:00:01"},
		"before the first":        {twelve, period.Options{MinHistory: -1, Boundaries: []int64{5}}, period.ErrEmptyPeriod, "period 0"},
		"after the last":          {twelve, period.Options{MinHistory: -1, Boundaries: []int64{1 << 40}}, period.ErrEmptyPeriod, "period 1"},
		"equal time too fine":     {twelve, period.Options{MinHistory: -1, EqualTime: true, Count: 40}, period.ErrEmptyPeriod, "has no sample"},
		"boundaries out of order": {twelve, period.Options{Boundaries: []int64{7200, 7200}}, period.ErrOptions, "boundary 2"},
		"two cuts":                {twelve, period.Options{Boundaries: []int64{7200}, EqualTime: true}, period.ErrOptions, "exclude"},
		"a negative history":      {twelve, period.Options{History: -1}, period.ErrOptions, "history"},
		"a negative newest":       {twelve, period.Options{Newest: -1}, period.ErrOptions, "newest"},
		"a negative count":        {twelve, period.Options{Count: -1}, period.ErrOptions, "periods"},
		"all to validate":         {twelve, period.Options{ValidFraction: 1}, period.ErrOptions, "validation"},
		"a threshold of nothing":  {twelve, period.Options{Threshold: float32(math.NaN())}, period.ErrOptions, "threshold"},
		"an empty window":         {twelve, period.Options{From: 9, To: 8}, period.ErrOptions, "not before"},
		"a set out of order":      {backwards, period.Options{}, period.ErrInconsistent, "earlier"},
		"an unknown user":         {stranger, period.Options{}, period.ErrInconsistent, "user 7 of 1"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := period.New(c.set, c.opts)
			if err == nil {
				t.Fatalf("made %+v", s.Periods)
			}
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q, want %v with %q", err, c.is, c.says)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		ratings []float32
		opts    period.Options
		is      error
		says    string
	}{
		"both classes":          {[]float32{1, 5, 1, 5, 1, 5, 1, 5}, period.Options{ValidFraction: .5, Count: 2}, nil, ""},
		"a validation of one":   {[]float32{1, 5, 1, 5, 1, 5, 5, 5}, period.Options{ValidFraction: .5, Count: 2}, period.ErrOneClass, "validation part of period 1 (1970-01-01 05:00:00 to 1970-01-01 08:00:00) has 2 liked of 2"},
		"a period of one":       {[]float32{1, 1, 1, 1, 1, 5, 1, 5}, period.Options{ValidFraction: .5, Count: 2}, period.ErrOneClass, "whole of period 0"},
		"too few to validate":   {[]float32{1, 5, 1, 5}, period.Options{Count: 2}, period.ErrEmptyPeriod, "no validation part"},
		"too few to train":      {[]float32{1, 5}, period.Options{Count: 2, ValidFraction: .9}, period.ErrEmptyPeriod, "nothing to train"},
		"no validation, wanted": {[]float32{1, 5, 1, 5}, period.Options{Count: 2, ValidFraction: -1}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.opts.MinHistory = -1
			s, err := period.New(line(c.ratings...), c.opts)
			if err != nil {
				t.Fatal(err)
			}
			err = s.Check()
			if !errors.Is(err, c.is) || (err != nil && !strings.Contains(err.Error(), c.says)) {
				t.Errorf("%v, want %v with %q", err, c.is, c.says)
			}
		})
	}
}

// TestEqualTime: the cuts of a window are at equal distances whatever the samples, as months of the Amazon data are.
func TestEqualTime(t *testing.T) {
	s, err := period.New(line(1, 2, 3, 4, 5, 1, 2, 3, 4, 5), period.Options{MinHistory: -1, EqualTime: true, Count: 3, From: 3600, To: 3600 * 10})
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, p := range s.Periods {
		got = append(got, p.All.Len())
	}
	if !slices.Equal(got, []int{3, 3, 3}) { // hours 1-3, 4-6, 7-9; hour 10 is out
		t.Errorf("periods of %v samples, want 3 each", got)
	}
	s, err = period.New(line(1, 2, 3, 4, 5, 1, 2, 3, 4, 5), period.Options{MinHistory: -1, EqualTime: true, Count: 2})
	if err != nil {
		t.Fatal(err)
	}
	if s.Periods[0].All.Len() != 5 || s.Periods[1].Start != 6*3600 {
		t.Errorf("halves %+v", s.Periods)
	}
}

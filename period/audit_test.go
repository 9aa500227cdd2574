package period

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"lsat/dataset"
)

func sound(t *testing.T, o Options) *Stream {
	t.Helper()
	s, err := New(dataset.Generate(dataset.GenerateOptions{Users: 30, Items: 80, Interactions: 1000, Seed: 5}), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestAuditFindsPlantedFaults damages a sound stream in one place and asks the audit for the right complaint.
func TestAuditFindsPlantedFaults(t *testing.T) {
	middle := func(s *Stream) int { return len(s.Samples) / 2 }
	// historyAt returns where in byUser the newest history event of a sample stands.
	historyAt := func(s *Stream, i int) int32 { return s.first[s.User(i)] + s.Samples[i].Place - 1 }
	for name, c := range map[string]struct {
		opts  Options
		plant func(*Stream)
		is    error
		says  string
	}{
		"the predicted event in its history": {Options{}, func(s *Stream) { s.Samples[middle(s)].Place++ }, ErrLeak, "the very interaction that is predicted"},
		"a later event in a history": {Options{}, func(s *Stream) {
			i := middle(s)
			s.byUser[historyAt(s, i)] = s.Samples[i].Event + 1
		}, ErrLeak, "comes after the predicted one"},
		"an event of another user in a history": {Options{}, func(s *Stream) {
			i := middle(s)
			for e := s.Samples[i].Event - 1; ; e-- {
				if s.Set.Interactions[e].User != s.User(i) {
					s.byUser[historyAt(s, i)] = e
					return
				}
			}
		}, ErrLeak, "holds an event of user"},
		"an older history than due": {Options{}, func(s *Stream) { s.Samples[middle(s)].Place-- }, ErrInconsistent, "is due"},
		"a history event twice": {Options{}, func(s *Stream) {
			at := historyAt(s, middle(s))
			s.byUser[at] = s.byUser[at-1]
		}, ErrInconsistent, "is due"},
		"a history event that does not exist": {Options{}, func(s *Stream) { s.byUser[historyAt(s, middle(s))] = -1 }, ErrInconsistent, "names interaction -1"},
		"a longer history than due":           {Options{}, func(s *Stream) { s.Options.MinHistory = 20 }, ErrInconsistent, "earlier events of the user"},
		"the same second under strict time": {Options{}, func(s *Stream) {
			// A stream made without StrictTime whose histories are then called strict.
			s.Options.StrictTime = true
			s.Set = &dataset.Set{Users: s.Set.Users, Items: s.Set.Items, Interactions: slices.Clone(s.Set.Interactions)}
		}, ErrInconsistent, "earlier events of the user"},
		"a set out of order": {Options{}, func(s *Stream) {
			n := len(s.Set.Interactions)
			s.Set.Interactions[n-1].Time = 1
		}, ErrLeak, "not in time order"},
		"a user that does not exist": {Options{}, func(s *Stream) { s.Set.Interactions[3].User = 99 }, ErrInconsistent, "user 99"},
		"a label turned":             {Options{}, func(s *Stream) { i := middle(s); s.Samples[i].Label = !s.Samples[i].Label }, ErrInconsistent, "label"},
		"a sample of nothing":        {Options{}, func(s *Stream) { s.Samples[middle(s)].Event = -5 }, ErrInconsistent, "no interaction -5"},
		"a place beyond all":         {Options{}, func(s *Stream) { s.Samples[middle(s)].Place = 1 << 30 }, ErrInconsistent, "place"},
		"samples swapped across a boundary": {Options{Count: 4}, func(s *Stream) {
			i := s.Periods[2].All.Lo
			s.Samples[i-1], s.Samples[i] = s.Samples[i], s.Samples[i-1]
			s.Periods[1].End, s.Periods[2].Start = s.time(i-1), s.time(i)
		}, ErrLeak, "does not come after"},
		"samples swapped within a period": {Options{Count: 4}, func(s *Stream) {
			i := s.Periods[2].All.Lo + 3
			s.Samples[i-1], s.Samples[i] = s.Samples[i], s.Samples[i-1]
		}, ErrInconsistent, "not in the order of time"},
		"a training part into the next period":   {Options{Count: 4}, func(s *Stream) { s.Periods[1].Train.Hi = s.Periods[2].All.Lo + 1 }, ErrLeak, "trained or validated on in an earlier period"},
		"a validation part into the next period": {Options{Count: 4}, func(s *Stream) { s.Periods[1].Valid.Hi++ }, ErrLeak, "trained or validated on in an earlier period"},
		"a period that starts early":             {Options{Count: 4}, func(s *Stream) { s.Periods[2].All.Lo--; s.Periods[2].Train.Lo-- }, ErrLeak, "trained or validated on in an earlier period"},
		"a period missing":                       {Options{Count: 4}, func(s *Stream) { s.Periods = slices.Delete(s.Periods, 1, 2) }, ErrInconsistent, "where the one before ended"},
		"the last period missing":                {Options{Count: 4}, func(s *Stream) { s.Periods = s.Periods[:3] }, ErrInconsistent, "the periods end at"},
		"periods in another order":               {Options{Count: 4}, func(s *Stream) { slices.Reverse(s.Periods) }, ErrLeak, "does not come after"},
		"a period twice":                         {Options{Count: 4}, func(s *Stream) { s.Periods = append(s.Periods, s.Periods[3]) }, ErrLeak, "trained or validated on in an earlier period"},
		"parts that overlap":                     {Options{Count: 4}, func(s *Stream) { s.Periods[1].Valid.Lo -= 2 }, ErrInconsistent, "do not make up"},
		"a range outside":                        {Options{Count: 4}, func(s *Stream) { s.Periods[3].Valid.Hi += 100 }, ErrInconsistent, "samples"},
		"a period that lies about its start":     {Options{Count: 4}, func(s *Stream) { s.Periods[3].Start-- }, ErrInconsistent, "says it lasts"},
	} {
		t.Run(name, func(t *testing.T) {
			s := sound(t, c.opts)
			if report, err := s.Audit(context.Background()); err != nil || report.Leaks+report.Inconsistencies != 0 {
				t.Fatalf("before the fault: %v", err)
			}
			c.plant(s)
			report, err := s.Audit(context.Background())
			if !errors.Is(err, c.is) {
				t.Fatalf("%v, want %v", err, c.is)
			}
			if report.Leaks+report.Inconsistencies == 0 || errors.Is(c.is, ErrLeak) != (report.Leaks > 0) {
				t.Errorf("the report does not have it: %v", report)
			}
			found := slices.ContainsFunc(report.Violations, func(v Violation) bool { return strings.Contains(v.What, c.says) && errors.Is(v.Err, c.is) })
			if !found {
				t.Errorf("no violation says %q: %v", c.says, report.Violations)
			}
			if !strings.Contains(report.String(), "the first:") {
				t.Errorf("the report's line hides it: %v", report)
			}
		})
	}
}

// TestAuditShowsTheLeak: many lesser complaints do not hide a leak, and the counts are complete.
func TestAuditShowsTheLeak(t *testing.T) {
	s := sound(t, Options{Count: 4})
	for i := range 50 {
		s.Samples[i].Label = !s.Samples[i].Label
	}
	s.Samples[len(s.Samples)-1].Place++
	report, err := s.Audit(context.Background())
	if !errors.Is(err, ErrLeak) || report.Leaks != 1 || report.Inconsistencies < 50 || len(report.Violations) != violationsKept {
		t.Errorf("%v; %d leaks, %d inconsistencies, %d shown", err, report.Leaks, report.Inconsistencies, len(report.Violations))
	}
}

func TestAuditStops(t *testing.T) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := sound(t, Options{}).Audit(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestProveCountsAsHistoriesDoes: the quick proof and the search for faults agree on sound streams of many kinds, and the proof is what sound streams get.
func TestProveCountsAsHistoriesDoes(t *testing.T) {
	set := dataset.Generate(dataset.GenerateOptions{Users: 40, Items: 90, Interactions: 1500, Seed: 8})
	middle := set.Interactions[len(set.Interactions)/2].Time
	for _, o := range []Options{
		{}, {StrictTime: true}, {History: 1}, {History: 3, MinHistory: -1}, {History: 5, MinHistory: 20, StrictTime: true}, {Newest: 300, Count: 3},
		{From: middle}, {To: middle, MinHistory: 2}, {History: 100, MinHistory: 1, Threshold: 3},
	} {
		s, err := New(set, o)
		if err != nil {
			t.Fatal(err)
		}
		quick, slow := auditor{s, &Report{}}, auditor{s, &Report{}}
		if proven, err := quick.prove(context.Background()); !proven || err != nil {
			t.Errorf("%+v: a sound stream is not proven: %v", o, err)
		}
		if err := slow.histories(context.Background()); err != nil || quick.r.String() != slow.r.String() {
			t.Errorf("%+v: %v, want %v (%v)", o, quick.r, slow.r, err)
		}
	}
}

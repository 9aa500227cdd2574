package period

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Violation is one way in which a stream breaks its promise.
type Violation struct {
	// Period and Sample say where; -1 where neither applies.
	Period, Sample int
	// Event is the interaction at fault, as an index into the set's interactions, or -1.
	Event int32
	// What says what is wrong.
	What string
	// Err is ErrLeak, or ErrInconsistent where nothing became visible too early.
	Err error `json:"-"`
}

func (v Violation) String() string {
	where := ""
	if v.Period >= 0 {
		where += fmt.Sprintf("period %d: ", v.Period)
	}
	if v.Sample >= 0 {
		where += fmt.Sprintf("sample %d: ", v.Sample)
	}
	return where + v.What
}

// violationsKept is how many violations a report shows.
const violationsKept = 10

// Report is the outcome of an audit.
type Report struct {
	// Samples, Periods and HistoryEvents count what was looked at.
	Samples, Periods, HistoryEvents int
	// SameSecond counts the history events of the very second of the event they help to predict, and SameSecondSamples the samples that have such.
	// They come earlier in the order of the file, and the published protocol uses them; Options.StrictTime excludes them.
	SameSecond, SameSecondSamples int
	// TiedBoundaries counts the periods whose first sample has the second of the last sample of the period before.
	TiedBoundaries int
	// Leaks and Inconsistencies count the violations, and Violations shows the first ones.
	Leaks, Inconsistencies int
	Violations             []Violation
}

// String is one line for people.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "leakage audit: %d samples in %d periods with %d history events: ", r.Samples, r.Periods, r.HistoryEvents)
	if r.Leaks+r.Inconsistencies == 0 {
		b.WriteString("no leak")
	} else {
		fmt.Fprintf(&b, "%d leaks and %d inconsistencies, the first: %v", r.Leaks, r.Inconsistencies, r.Violations[0])
	}
	fmt.Fprintf(&b, "; %d history events of %d samples share the second of their target", r.SameSecond, r.SameSecondSamples)
	if r.TiedBoundaries > 0 {
		fmt.Fprintf(&b, "; %d period boundaries lie within a second", r.TiedBoundaries)
	}
	return b.String()
}

func (r *Report) add(err error, period, sample int, event int32, format string, args ...any) {
	leak := errors.Is(err, ErrLeak)
	if leak {
		r.Leaks++
	} else {
		r.Inconsistencies++
	}
	if leak && r.Leaks == 1 || len(r.Violations) < violationsKept {
		v := Violation{Period: period, Sample: sample, Event: event, What: fmt.Sprintf(format, args...), Err: err}
		if len(r.Violations) == violationsKept { // the first leak is shown in any case
			r.Violations = r.Violations[:violationsKept-1]
		}
		r.Violations = append(r.Violations, v)
	}
}

// Audit derives from the set's interactions alone what each sample may see, and compares the stream with it: it trusts neither the index by user, nor
// the samples' places, nor the order of the samples, nor the periods' ranges. It is a leak (ErrLeak)
//   - when the interactions are not in time order, since every other promise rests on it;
//   - when an event of a history is the predicted one or comes after it in the total order, has a later time (or, with
//     Options.StrictTime, not an earlier one), or is another user's;
//   - when a sample that trains or validates in a period does not come before every sample of every later period;
//   - when a sample of a period was in the training or validation part of an earlier one.
//
// Everything else that does not follow from the set and the options (labels, missing or missed history, overlapping ranges) is ErrInconsistent.
// The report is complete in either case; the error shows the first violation, a leak if there is one.
func (s *Stream) Audit(ctx context.Context) (Report, error) {
	r := Report{Samples: len(s.Samples), Periods: len(s.Periods)}
	a := auditor{s: s, r: &r}
	if !a.order() || !a.samples() {
		return r, r.err()
	}
	proven, err := a.prove(ctx)
	if err == nil && !proven {
		err = a.histories(ctx)
	}
	if err != nil {
		return r, err
	}
	a.periods()
	return r, r.err()
}

func (r *Report) err() error {
	if r.Leaks+r.Inconsistencies == 0 {
		return nil
	}
	first := r.Violations[0]
	for _, v := range r.Violations {
		if errors.Is(v.Err, ErrLeak) {
			first = v
			break
		}
	}
	return fmt.Errorf("%w: %v (%d leaks, %d inconsistencies in all)", first.Err, first, r.Leaks, r.Inconsistencies)
}

type auditor struct {
	s *Stream
	r *Report
}

// order checks the total order itself.
func (a *auditor) order() bool {
	events := a.s.Set.Interactions
	for i := range events {
		if u := events[i].User; u < 0 || int(u) >= len(a.s.first)-1 {
			a.r.add(ErrInconsistent, -1, -1, int32(i), "interaction %d is of user %d of %d", i, u, len(a.s.first)-1)
			return false
		}
		if i > 0 && events[i].Time < events[i-1].Time {
			a.r.add(ErrLeak, -1, -1, int32(i), "interaction %d (%s) is earlier than the one before it (%s): the set is not in time order", i, clock(events[i].Time), clock(events[i-1].Time))
			return false
		}
	}
	return true
}

// samples checks what must hold before a sample's history can be looked up at all.
func (a *auditor) samples() bool {
	s, whole := a.s, true
	for i, sm := range s.Samples {
		if sm.Event < 0 || int(sm.Event) >= len(s.Set.Interactions) {
			a.r.add(ErrInconsistent, -1, i, sm.Event, "there is no interaction %d", sm.Event)
			whole = false
			continue
		}
		if n := len(s.Timeline(s.User(i))); sm.Place < 0 || int(sm.Place) > n {
			a.r.add(ErrInconsistent, -1, i, sm.Event, "place %d of %d events of the user", sm.Place, n)
			whole = false
		}
	}
	return whole
}

// histories compares every sample's history with one found by following each user's events backwards, and says everything that is wrong.
func (a *auditor) histories(ctx context.Context) error {
	s, o := a.s, a.s.Options
	events := s.Set.Interactions
	// previous[i] is the same user's event before i, and count[i] how many there are.
	previous, count := make([]int32, len(events)), make([]int32, len(events))
	last := make([]int32, len(s.first)-1) // a user's last event, plus one
	for i := range events {
		p := last[events[i].User] - 1
		if previous[i] = p; p >= 0 {
			count[i] = count[p] + 1
		}
		last[events[i].User] = int32(i) + 1
	}
	for i, sm := range s.Samples {
		if i%65536 == 0 {
			if err := context.Cause(ctx); err != nil {
				return err
			}
		}
		target := events[sm.Event]
		if liked := target.Rating >= o.Threshold; liked != sm.Label {
			a.r.add(ErrInconsistent, -1, i, sm.Event, "label %v for a rating of %v", sm.Label, target.Rating)
		}
		history := s.History(i)
		a.r.HistoryEvents += len(history)
		same := 0
		for _, e := range history {
			if !a.visible(i, sm, e) {
				continue
			}
			if events[e].Time == target.Time {
				same++
			}
		}
		a.r.SameSecond += same
		if same > 0 {
			a.r.SameSecondSamples++
		}
		want, older := previous[sm.Event], int(count[sm.Event])
		for o.StrictTime && want >= 0 && events[want].Time == target.Time {
			want = previous[want]
			older--
		}
		if older < o.MinHistory {
			a.r.add(ErrInconsistent, -1, i, sm.Event, "only %d earlier events of the user where %d are due", older, o.MinHistory)
		}
		if due := min(older, o.History); len(history) != due {
			a.r.add(ErrInconsistent, -1, i, sm.Event, "a history of %d events where the user has %d for it", len(history), due)
			continue
		}
		for k := len(history) - 1; k >= 0; k-- {
			if want < 0 || history[k] != want {
				a.r.add(ErrInconsistent, -1, i, sm.Event, "history event %d is interaction %d where %d is due", k, history[k], want)
				break
			}
			want = previous[want]
		}
	}
	return nil
}

// visible says whether sample i may see event e.
func (a *auditor) visible(i int, sm Sample, e int32) bool {
	events := a.s.Set.Interactions
	if e < 0 || int(e) >= len(events) {
		a.r.add(ErrInconsistent, -1, i, e, "the history names interaction %d of %d", e, len(events))
		return false
	}
	seen, target := events[e], events[sm.Event]
	switch {
	case e == sm.Event:
		a.r.add(ErrLeak, -1, i, e, "the history holds the very interaction that is predicted (%d, %s)", e, clock(target.Time))
	case e > sm.Event:
		a.r.add(ErrLeak, -1, i, e, "the history holds interaction %d (%s), which comes after the predicted one (%d, %s)", e, clock(seen.Time), sm.Event, clock(target.Time))
	case seen.Time > target.Time:
		a.r.add(ErrLeak, -1, i, e, "the history holds an event of %s, later than the predicted one (%s)", clock(seen.Time), clock(target.Time))
	case a.s.Options.StrictTime && seen.Time == target.Time:
		a.r.add(ErrLeak, -1, i, e, "the history holds an event of the same second as the predicted one (%s)", clock(seen.Time))
	case seen.User != target.User:
		a.r.add(ErrLeak, -1, i, e, "the history of user %d holds an event of user %d", target.User, seen.User)
	default:
		return true
	}
	return false
}

// periods checks that each period lies behind everything that was learnt from before it.
func (a *auditor) periods() {
	s := a.s
	learnt := make([]bool, len(s.Set.Interactions)) // in the training or validation part of an earlier period
	newest := int32(-1)                             // the newest such event
	next := 0                                       // the sample at which the coming period should start
	for t, p := range s.Periods {
		if !a.ranges(t, p) {
			continue
		}
		if p.All.Lo != next {
			a.r.add(ErrInconsistent, t, -1, -1, "starts at sample %d where the one before ended at %d", p.All.Lo, next)
		}
		next = p.All.Hi
		oldest, latest := int32(-1), int32(-1)
		before := newest
		for i := p.All.Lo; i < p.All.Hi; i++ {
			e := s.Samples[i].Event
			if learnt[e] {
				a.r.add(ErrLeak, t, i, e, "it was trained or validated on in an earlier period")
			} else if e <= before {
				a.r.add(ErrLeak, t, i, e, "it does not come after interaction %d, which an earlier period trained or validated on", before)
			}
			if latest >= 0 && e <= latest {
				a.r.add(ErrInconsistent, t, i, e, "the samples are not in the order of time")
			}
			if oldest < 0 || e < oldest {
				oldest = e
			}
			latest = max(latest, e)
		}
		events := s.Set.Interactions
		if before >= 0 && oldest >= 0 && events[oldest].Time == events[before].Time {
			a.r.TiedBoundaries++
		}
		if oldest >= 0 && (p.Start != events[oldest].Time || p.End != events[latest].Time) {
			a.r.add(ErrInconsistent, t, -1, -1, "says it lasts from %s to %s where its samples are of %s to %s", clock(p.Start), clock(p.End), clock(events[oldest].Time), clock(events[latest].Time))
		}
		for _, part := range []Range{p.Train, p.Valid} {
			for i := part.Lo; i < part.Hi; i++ {
				learnt[s.Samples[i].Event] = true
				newest = max(newest, s.Samples[i].Event)
			}
		}
	}
	if next != len(s.Samples) {
		a.r.add(ErrInconsistent, len(s.Periods)-1, -1, -1, "the periods end at sample %d of %d", next, len(s.Samples))
	}
}

// ranges checks the shape of one period.
func (a *auditor) ranges(t int, p Period) bool {
	n := len(a.s.Samples)
	for _, part := range []struct {
		name string
		r    Range
	}{{"period", p.All}, {"training part", p.Train}, {"validation part", p.Valid}} {
		if part.r.Lo < 0 || part.r.Hi > n || part.r.Lo > part.r.Hi {
			a.r.add(ErrInconsistent, t, -1, -1, "its %s is samples %d to %d of %d", part.name, part.r.Lo, part.r.Hi, n)
			return false
		}
	}
	if p.All.Len() == 0 {
		a.r.add(ErrInconsistent, t, -1, -1, "it is empty")
	}
	if p.Train.Lo != p.All.Lo || p.Train.Hi != p.Valid.Lo || p.Valid.Hi != p.All.Hi {
		a.r.add(ErrInconsistent, t, -1, -1, "its training part %v and validation part %v do not make up %v", p.Train, p.Valid, p.All)
	}
	return true
}

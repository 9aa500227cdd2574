package baseline

import (
	"math"
	"slices"
)

// memory is what a model has learnt of users' earlier events, beyond the histories of the samples it scores.
type memory struct {
	// length is how many events are looked back on, the history's among them; 0 for none.
	length int
	// since tells of each interaction from which period on it is known: 1 + the period of the first sample that brought it up, by its label or in its
	// history; 0 where none has.
	since []int32
}

// always is a period by which everything learnt is known.
const always = math.MaxInt32

// before appends the user's events before a sample's history that were known when a period began, the newest of them, oldest first. So a sample that is
// learnt from remembers what it would have remembered when it was served: what its own period brought up comes too late.
func (m *memory) before(x *features, sample int, period int32, events []int32) []int32 {
	history := x.stream.History(sample)
	if m.length <= len(history) || len(history) == 0 {
		return events
	}
	line := x.stream.Timeline(x.stream.User(sample))
	at, _ := slices.BinarySearch(line, history[0])
	for k := at - 1; k >= 0 && len(events) < m.length-len(history); k-- {
		if s := m.since[line[k]]; s > 0 && s <= period {
			events = append(events, line[k])
		}
	}
	slices.Reverse(events)
	return events
}

// remember appends the features of a sample's memory, history included: taste, the user's residual, and how much is remembered.
func (x *features) remember(sample int, period int32, row []float64) []float64 {
	x.events = x.memory.before(x, sample, period, x.events[:0])
	x.remembered = x.remembered[:0]
	var user float64
	for _, e := range x.events {
		x.remembered = append(x.remembered, x.residualOf(e))
	}
	x.remembered = append(x.remembered, x.history...)
	for _, r := range x.remembered {
		user += r.residual
	}
	n := float64(len(x.remembered))
	return append(row, x.longTaste.of(x.tally.facts, x.remembered, &x.target), user/(n+userWeight), math.Log1p(n))
}

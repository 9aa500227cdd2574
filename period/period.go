// Package period turns a time-ordered set of interactions into labelled samples, cuts them into periods, and proves that no
// period sees its own future.
package period

import (
	"sort"
	"sync"

	"lsat/dataset"
)

// Sample asks whether a user likes an item, given what the user did before. It is small: its history is looked up in
// its Stream, so memory grows with the interactions and not with the prompts.
type Sample struct {
	// Event is the interaction that the sample predicts, as an index into the set's interactions.
	Event int32
	// Place is the event's position among its user's own events, counted from 0.
	Place int32
	// Label is true where the rating reaches the threshold.
	Label bool
}

// Range is a half-open range [Lo, Hi) of sample indices.
type Range struct{ Lo, Hi int }

// Len is the number of samples in the range.
func (r Range) Len() int { return r.Hi - r.Lo }

// Period is one block of the stream. Its first samples train and its last ones validate; the test set of a model updated
// with period t is the whole (All) of period t+1.
type Period struct {
	All, Train, Valid Range
	// Start and End are the times, in Unix seconds, of the first and of the last sample.
	Start, End int64
}

// Stream is a data set as labelled samples in time order, cut into periods.
type Stream struct {
	Set     *dataset.Set
	Options Options
	Samples []Sample
	Periods []Period
	// byUser holds each user's interactions (indices) in time order, all users one after another; user u's are
	// byUser[first[u]:first[u+1]].
	byUser []int32
	first  []int32
	// digests holds each item's part of a sample's hash, made when first needed.
	digests     [][16]byte
	userDigests [][16]byte
	digestOnce  sync.Once
}

// User returns the user of a sample.
func (s *Stream) User(i int) int32 { return s.Set.Interactions[s.Samples[i].Event].User }

// Item returns the target item of a sample.
func (s *Stream) Item(i int) int32 { return s.Set.Interactions[s.Samples[i].Event].Item }

// Timeline returns all interactions of a user, as indices into Set.Interactions, oldest first. It must not be changed.
func (s *Stream) Timeline(user int32) []int32 { return s.byUser[s.first[user]:s.first[user+1]] }

// History returns the interactions that sample i may look at: the user's previous ones, at most Options.History, oldest
// first. With Options.StrictTime they are also of earlier seconds. It must not be changed.
func (s *Stream) History(i int) []int32 {
	sm := s.Samples[i]
	line := s.Timeline(s.User(i))[:sm.Place]
	if s.Options.StrictTime {
		events := s.Set.Interactions
		now := events[sm.Event].Time
		line = line[:sort.Search(len(line), func(k int) bool { return events[line[k]].Time >= now })]
	}
	return line[max(0, len(line)-s.Options.History):]
}

// Liked says whether an interaction counts as liked.
func (s *Stream) Liked(event int32) bool {
	return s.Set.Interactions[event].Rating >= s.Options.Threshold
}

package period_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lsat/dataset"
	"lsat/period"
)

// TestRangesAreTheSameLists: a list and its ranges have the same samples and the same hash, in any order and with repeats.
func TestRangesAreTheSameLists(t *testing.T) {
	s := stream(t, dataset.Generate(dataset.GenerateOptions{Users: 20, Items: 100, Interactions: 900}), period.Options{Count: 4})
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOf(rapid.IntRange(0, len(s.Samples)-1)).Draw(t, "list")
		if rapid.Bool().Draw(t, "sorted") {
			slices.Sort(list)
		}
		ranges := period.RangesOf(list)
		if got := period.Expand(ranges); !slices.Equal(got, list) || period.CountSamples(ranges) != len(list) {
			t.Fatalf("%v became %v", list, got)
		}
		narrow := make([]int32, len(list))
		for k, i := range list {
			narrow[k] = int32(i)
		}
		if s.HashRanges(ranges) != s.HashSamples(narrow) {
			t.Fatal("two hashes of one list")
		}
	})
	if got := period.RangesOf([]int{3, 4, 5, 9, 1, 2}); !slices.Equal(got, []period.Range{{Lo: 3, Hi: 6}, {Lo: 9, Hi: 10}, {Lo: 1, Hi: 3}}) {
		t.Errorf("ranges %v", got)
	}
}

// TestQuickLookAgreesWithTheCloserOne: lists that come in the order of time are looked at quickly, others closely; the answers are the same.
func TestQuickLookAgreesWithTheCloserOne(t *testing.T) {
	s := stream(t, dataset.Generate(dataset.GenerateOptions{Users: 20, Items: 100, Interactions: 900}), period.Options{Count: 4})
	rapid.Check(t, func(t *rapid.T) {
		var lists, backwards [3][]int
		for k := range lists {
			lo := rapid.IntRange(0, 600).Draw(t, "lo")
			for i := range rapid.IntRange(0, 40).Draw(t, "n") {
				lists[k] = append(lists[k], lo+i*(1+k))
			}
			lists[k] = slices.DeleteFunc(lists[k], func(i int) bool { return i >= len(s.Samples) })
			backwards[k] = slices.Clone(lists[k])
			slices.Reverse(backwards[k]) // the quick look leaves these alone
		}
		var opts []period.UseOption
		if rapid.Bool().Draw(t, "valid after train") {
			opts = append(opts, period.ValidAfterTrain())
		}
		quick := s.AuditUse(lists[0], lists[1], lists[2], opts...)
		closer := s.AuditUse(backwards[0], backwards[1], backwards[2], opts...)
		if (quick == nil) != (closer == nil) {
			t.Fatalf("%v, but backwards %v", quick, closer)
		}
	})
}

package dataset

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestSortByTimeIsTheStableSort compares with the standard library's stable sort, over spans of time from none to all that an int64 holds.
func TestSortByTimeIsTheStableSort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lo := rapid.Int64().Draw(t, "lo")
		span := rapid.SampledFrom([]int64{0, 1, 5, 2047, 2048, 100_000, 1 << 30, 1 << 40, math.MaxInt64}).Draw(t, "span")
		hi := lo + span
		if hi < lo {
			hi = math.MaxInt64
		}
		n := rapid.SampledFrom([]int{0, 1, 2, 40, 3000}).Draw(t, "n")
		seed := rapid.Uint64().Draw(t, "seed")
		events := make([]Interaction, n)
		for i := range events {
			at := int64(mix(seed + uint64(i)))
			if hi-lo < math.MaxInt64 && hi-lo >= 0 {
				at = lo + int64(mix(seed+uint64(i))>>1)%(hi-lo+1)
			}
			events[i] = Interaction{Time: at, User: int32(i)}
		}
		want := slices.Clone(events)
		slices.SortStableFunc(want, func(a, b Interaction) int { return cmp.Compare(a.Time, b.Time) })
		if got := sortByTime(events); !slices.Equal(got, want) {
			t.Fatalf("%d events between %d and %d are in another order", n, lo, hi)
		}
	})
}

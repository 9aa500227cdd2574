package dataset

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	// digit is how many bits of a time one step of sorting looks at.
	digit = 11
	// fewEvents are sorted by insertion.
	fewEvents = 32
)

// sortByTime returns the events sorted by time, those of one time in their order. The result is in the events' memory, or, for many, in as much
// again. The highest bits of the time part the events into buckets in one pass over the memory; the buckets fit into the processor's cache
// and are sorted there, several at once, by the bits that are left, the lowest first.
func sortByTime(events []Interaction) []Interaction {
	if len(events) == 0 {
		return events
	}
	sorted, least, most := true, events[0].Time, events[0].Time
	last := least
	for i := range events {
		t := events[i].Time
		sorted = sorted && t >= last
		last = t
		least, most = min(least, t), max(most, t)
	}
	if sorted {
		return events
	}
	shift := max(0, bits.Len64(uint64(most)-uint64(least))-digit)
	var first [1<<digit + 1]int
	for i := range events {
		first[(uint64(events[i].Time)-uint64(least))>>shift+1]++
	}
	for d, n := range first[1:] {
		first[d+1] = first[d] + n
	}
	parted, next := make([]Interaction, len(events)), first
	for i := range events {
		d := (uint64(events[i].Time) - uint64(least)) >> shift
		parted[next[d]] = events[i]
		next[d]++
	}
	var wg sync.WaitGroup
	var taken atomic.Int64
	for range min(runtime.GOMAXPROCS(0), 16) {
		wg.Go(func() {
			for {
				d := int(taken.Add(1)) - 1
				if d >= 1<<digit {
					return
				}
				lo, hi := first[d], first[d+1]
				sortBucket(parted[lo:hi], events[lo:hi], shift)
			}
		})
	}
	wg.Wait()
	return parted
}

// sortBucket sorts events by the lowest bits of their times, above which they are the same for all when the least time is taken off. spare is as
// long, and is written over.
func sortBucket(events, spare []Interaction, width int) {
	if len(events) <= fewEvents {
		for i := 1; i < len(events); i++ {
			e, k := events[i], i
			for ; k > 0 && events[k-1].Time > e.Time; k-- {
				events[k] = events[k-1]
			}
			events[k] = e
		}
		return
	}
	least := events[0].Time
	for i := range events {
		least = min(least, events[i].Time)
	}
	from, to := events, spare
	for shift := 0; shift < width; shift += digit {
		var next [1 << digit]int
		for i := range from {
			next[(uint64(from[i].Time)-uint64(least))>>shift&(1<<digit-1)]++
		}
		at := 0
		for d, n := range next {
			next[d] = at
			at += n
		}
		for i := range from {
			d := (uint64(from[i].Time) - uint64(least)) >> shift & (1<<digit - 1)
			to[next[d]] = from[i]
			next[d]++
		}
		from, to = to, from
	}
	if &from[0] != &events[0] {
		copy(events, from)
	}
}

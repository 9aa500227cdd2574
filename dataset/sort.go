package dataset

import (
	"cmp"
	"math/bits"
	"runtime"
	"slices"
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
	if slices.IsSortedFunc(events, func(a, b Interaction) int { return cmp.Compare(a.Time, b.Time) }) {
		return events
	}
	least, most := events[0].Time, events[0].Time
	for i := range events {
		least, most = min(least, events[i].Time), max(most, events[i].Time)
	}
	shift := max(0, bits.Len64(uint64(most)-uint64(least))-digit)
	// Each worker parts a stretch of the events. next is where its next event of a bucket goes: behind the earlier workers' of that bucket.
	workers := min(runtime.GOMAXPROCS(0), 16)
	next := make([][1 << digit]int, workers)
	stretch := func(w int) []Interaction {
		return events[int64(w)*int64(len(events))/int64(workers) : int64(w+1)*int64(len(events))/int64(workers)]
	}
	each(workers, func(w int) {
		n := &next[w]
		for _, e := range stretch(w) {
			n[(uint64(e.Time)-uint64(least))>>shift]++
		}
	})
	var first [1<<digit + 1]int
	at := 0
	for d := range 1 << digit {
		first[d] = at
		for w := range next {
			next[w][d], at = at, at+next[w][d]
		}
	}
	first[1<<digit] = at
	parted := make([]Interaction, len(events))
	each(workers, func(w int) {
		n := &next[w]
		for _, e := range stretch(w) {
			d := (uint64(e.Time) - uint64(least)) >> shift
			parted[n[d]] = e
			n[d]++
		}
	})
	var taken atomic.Int64
	each(workers, func(int) {
		for d := int(taken.Add(1)) - 1; d < 1<<digit; d = int(taken.Add(1)) - 1 {
			lo, hi := first[d], first[d+1]
			sortBucket(parted[lo:hi], events[lo:hi], shift)
		}
	})
	return parted
}

// each runs a function for 0 … n-1 at once and waits for all.
func each(n int, f func(k int)) {
	var wg sync.WaitGroup
	for k := range n {
		wg.Go(func() { f(k) })
	}
	wg.Wait()
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

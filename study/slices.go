package study

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"lsat/period"
	"lsat/strategy"
	"lsat/train"
)

// sampleList is a set of samples that is trained on, validated on or tested on, in ascending order. It is kept as ranges, since a study of a large
// stream has many lists that are nearly all of it.
type sampleList struct {
	name   string
	stream *period.Stream
	ranges []period.Range
	// size is the number of samples, and liked how many of them are.
	size, liked int
	digest      string
}

// samples writes the list out.
func (l *sampleList) samples() []int { return period.Expand(l.ranges) }

// hash is period.Stream.HashSamples of the samples, made when it is first needed: an audit needs none.
func (l *sampleList) hash() string {
	if l.digest == "" {
		l.digest = l.stream.HashRanges(l.ranges)
	}
	return l.digest
}

func (l *sampleList) slice() train.Slice {
	return train.Slice{Name: l.name, Hash: l.hash(), Samples: l.size}
}

// lister makes the sample lists of a study. Each is made once.
type lister struct {
	c      Config
	stream *period.Stream
	made   map[string]*sampleList
}

func newLister(c Config, s *period.Stream) *lister {
	return &lister{c: c, stream: s, made: map[string]*sampleList{}}
}

func (l *lister) list(name string, ranges func() []period.Range) *sampleList {
	if s, ok := l.made[name]; ok {
		return s
	}
	s := &sampleList{name: name, stream: l.stream, ranges: ranges()}
	for _, r := range s.ranges {
		s.size += r.Len()
		s.liked += l.stream.CountLiked(r)
	}
	l.made[name] = s
	return s
}

// train is the training part of a job: the union of its pieces, each under its cap, and all together under MaxLongSamples.
func (l *lister) train(j *strategy.Job) *sampleList {
	names := make([]string, len(j.Train))
	for i, p := range j.Train {
		names[i] = p.String()
	}
	if j.Replay {
		names = append(names, "replay")
	}
	return l.list(strings.Join(names, "+"), func() []period.Range {
		var all []period.Range
		for _, p := range j.Train {
			if p.Part == strategy.Valid {
				all = append(all, l.valid(p.Period).ranges...)
				continue
			}
			all = append(all, l.thin([]period.Range{l.stream.Periods[p.Period].Train}, l.c.MaxTrainPerPeriod)...)
		}
		if j.Replay {
			all = append(all, l.replayed(j.Valid, period.CountSamples(all))...)
		}
		slices.SortFunc(all, func(a, b period.Range) int { return cmp.Compare(a.Lo, b.Lo) })
		if j.Update {
			return all
		}
		return l.thin(all, l.c.MaxLongSamples)
	})
}

// replayed draws n samples of the train parts of the periods before t, by whole users, other users for every t.
func (l *lister) replayed(t, n int) []period.Range {
	var past []period.Range
	for p := range t {
		past = append(past, l.stream.Periods[p].Train)
	}
	return l.draw(past, n, l.c.SampleSeed+uint64(t)<<32)
}

// valid is the validation part of period t.
func (l *lister) valid(t int) *sampleList {
	return l.list(fmt.Sprintf("D%d.valid", t), func() []period.Range {
		return l.thin([]period.Range{l.stream.Periods[t].Valid}, l.c.MaxValidPerPeriod)
	})
}

// test is the whole of period t, which tests the models updated with period t-1.
func (l *lister) test(t int) *sampleList {
	return l.list(fmt.Sprintf("D%d.test", t), func() []period.Range {
		return l.thin([]period.Range{l.stream.Periods[t].All}, l.c.MaxTestPerPeriod)
	})
}

// thin keeps at most n of the samples, the same users' in every period. n = 0 keeps all.
func (l *lister) thin(samples []period.Range, n int) []period.Range {
	if n <= 0 {
		return samples
	}
	return l.draw(samples, n, l.c.SampleSeed)
}

// draw keeps at most n of the samples, which are in ascending order, by whole users: the users come in an order drawn by the seed and their identifiers, and
// the first one that does not fit entirely gives its newest samples.
func (l *lister) draw(samples []period.Range, n int, seed uint64) []period.Range {
	if period.CountSamples(samples) <= n {
		return samples
	}
	has := make([]int32, len(l.stream.Set.Users)) // how many of the samples are each user's
	type draw struct {
		at   uint64
		user int32
	}
	var draws []draw
	for _, r := range samples {
		for i := r.Lo; i < r.Hi; i++ {
			u := l.stream.User(i)
			if has[u] == 0 {
				draws = append(draws, draw{drawn(seed, l.stream.Set.Users[u]), u})
			}
			has[u]++
		}
	}
	slices.SortFunc(draws, func(a, b draw) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.user, b.user)) })
	// Of each user the last keep[u] samples are kept, and the has[u] - keep[u] before them are not.
	keep, room := make([]int32, len(has)), n
	for _, d := range draws {
		keep[d.user] = min(has[d.user], int32(min(room, math.MaxInt32)))
		if room -= int(keep[d.user]); room == 0 {
			break
		}
	}
	var kept []period.Range
	for _, r := range samples {
		for i := r.Lo; i < r.Hi; i++ {
			u := l.stream.User(i)
			has[u]--
			if has[u] >= keep[u] {
				continue
			}
			if k := len(kept); k > 0 && kept[k-1].Hi == i {
				kept[k-1].Hi++
			} else {
				kept = append(kept, period.Range{Lo: i, Hi: i + 1})
			}
		}
	}
	return slices.Clip(kept)
}

// drawn is a user's place in the seed's order of users. The same users come first in every period, so a user's history under a
// cap is as long as without it.
func drawn(seed uint64, user string) uint64 {
	var room [64]byte // enough for most, without an allocation
	sum := sha256.Sum256(append(binary.LittleEndian.AppendUint64(room[:0], seed), user...))
	return binary.LittleEndian.Uint64(sum[:8])
}

func indices(r period.Range) []int {
	out := make([]int, r.Len())
	for i := range out {
		out[i] = r.Lo + i
	}
	return out
}

func labelsOf(s *period.Stream, samples []int) []bool {
	out := make([]bool, len(samples))
	for i, k := range samples {
		out[i] = s.Samples[k].Label
	}
	return out
}

func usersOf(s *period.Stream, samples []int) []int32 {
	out := make([]int32, len(samples))
	for i, k := range samples {
		out[i] = s.User(k)
	}
	return out
}

package study

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"lsat/period"
	"lsat/strategy"
	"lsat/train"
)

// sampleList is a set of samples that is trained on, validated on or tested on.
type sampleList struct {
	name    string
	samples []int
	hash    string
}

func (l *sampleList) slice() train.Slice {
	return train.Slice{Name: l.name, Hash: l.hash, Samples: len(l.samples)}
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

func (l *lister) list(name string, samples func() []int) *sampleList {
	if s, ok := l.made[name]; ok {
		return s
	}
	s := &sampleList{name: name, samples: samples()}
	s.hash = l.stream.HashSamples(narrow(s.samples))
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
	return l.list(strings.Join(names, "+"), func() []int {
		var all []int
		for _, p := range j.Train {
			if p.Part == strategy.Valid {
				all = append(all, l.valid(p.Period).samples...)
				continue
			}
			all = append(all, l.thin(indices(l.stream.Periods[p.Period].Train), l.c.MaxTrainPerPeriod)...)
		}
		if j.Replay {
			all = append(all, l.replayed(j.Valid, len(all))...)
		}
		slices.Sort(all)
		if j.Update {
			return all
		}
		return l.thin(all, l.c.MaxLongSamples)
	})
}

// replayed draws n samples of the train parts of the periods before t, by whole users, other users for every t.
func (l *lister) replayed(t, n int) []int {
	var past []int
	for p := range t {
		past = append(past, indices(l.stream.Periods[p].Train)...)
	}
	return l.draw(past, n, l.c.SampleSeed+uint64(t)<<32)
}

// valid is the validation part of period t.
func (l *lister) valid(t int) *sampleList {
	return l.list(fmt.Sprintf("D%d.valid", t), func() []int {
		return l.thin(indices(l.stream.Periods[t].Valid), l.c.MaxValidPerPeriod)
	})
}

// test is the whole of period t, which tests the models updated with period t-1.
func (l *lister) test(t int) *sampleList {
	return l.list(fmt.Sprintf("D%d.test", t), func() []int {
		return l.thin(indices(l.stream.Periods[t].All), l.c.MaxTestPerPeriod)
	})
}

// thin keeps at most n of the samples, the same users' in every period. n = 0 keeps all.
func (l *lister) thin(samples []int, n int) []int {
	if n <= 0 {
		return samples
	}
	return l.draw(samples, n, l.c.SampleSeed)
}

// draw keeps at most n of the samples, by whole users: the users come in an order drawn by the seed and their identifiers, and the first
// one that does not fit entirely gives its newest samples.
func (l *lister) draw(samples []int, n int, seed uint64) []int {
	if len(samples) <= n {
		return samples
	}
	runs := map[int32][]int{}
	for _, i := range samples {
		u := l.stream.User(i)
		runs[u] = append(runs[u], i)
	}
	type draw struct {
		at   uint64
		user int32
	}
	draws := make([]draw, 0, len(runs))
	for u := range runs {
		draws = append(draws, draw{drawn(seed, l.stream.Set.Users[u]), u})
	}
	slices.SortFunc(draws, func(a, b draw) int {
		if a.at != b.at {
			if a.at < b.at {
				return -1
			}
			return 1
		}
		return int(a.user) - int(b.user)
	})
	kept := make([]int, 0, n)
	for _, d := range draws {
		run := runs[d.user]
		if room := n - len(kept); len(run) > room {
			run = run[len(run)-room:]
		}
		kept = append(kept, run...)
		if len(kept) == n {
			break
		}
	}
	slices.Sort(kept)
	return kept
}

// drawn is a user's place in the seed's order of users. The same users come first in every period, so a user's history under a
// cap is as long as without it.
func drawn(seed uint64, user string) uint64 {
	sum := sha256.Sum256(append(binary.LittleEndian.AppendUint64(nil, seed), user...))
	return binary.LittleEndian.Uint64(sum[:8])
}

func indices(r period.Range) []int {
	out := make([]int, r.Len())
	for i := range out {
		out[i] = r.Lo + i
	}
	return out
}

func narrow(samples []int) []int32 {
	out := make([]int32, len(samples))
	for i, s := range samples {
		out[i] = int32(s)
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

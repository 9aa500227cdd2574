package dataset

import (
	"math"
	"slices"
)

// apply filters a sorted set in place and renumbers what is left. titled may be nil; where it is not, Untitled is counted again.
func (s *Set) apply(f Filter, titled []bool, unrated bool) {
	before := len(s.Interactions)
	if f.From != 0 || f.To != 0 {
		s.keep(func(e Interaction) bool { return e.Time >= f.From && (f.To == 0 || e.Time < f.To) })
	}
	s.dropDuplicates(f.Duplicates)
	if f.MinUser > 1 {
		n := s.countUsers()
		s.keep(func(e Interaction) bool { return n[e.User] >= f.MinUser })
	}
	if f.UserFraction > 0 && f.UserFraction < 1 {
		drawn := s.drawUsers(f.UserFraction, f.Seed)
		s.keep(func(e Interaction) bool { return drawn[e.User] })
	}
	if f.MinItem > 1 {
		n := make([]int, len(s.Items))
		for _, e := range s.Interactions {
			n[e.Item]++
		}
		s.keep(func(e Interaction) bool { return n[e.Item] >= f.MinItem })
	}
	s.Filtered = before - len(s.Interactions)
	s.renumber(titled, unrated)
}

func (s *Set) keep(want func(Interaction) bool) {
	s.Interactions = slices.DeleteFunc(s.Interactions, func(e Interaction) bool { return !want(e) })
}

func (s *Set) countUsers() []int {
	n := make([]int, len(s.Users))
	for _, e := range s.Interactions {
		n[e.User]++
	}
	return n
}

func (s *Set) dropDuplicates(policy DuplicatePolicy) {
	switch policy {
	case DuplicatesExact:
		seen := make(map[Interaction]struct{})
		last := int64(math.MinInt64)
		s.keep(func(e Interaction) bool {
			if e.Time != last { // exact duplicates share their second, so no more than one second is ever remembered
				clear(seen)
				last = e.Time
			}
			_, again := seen[e]
			seen[e] = struct{}{}
			return !again
		})
	case DuplicatesFirst:
		seen := make(map[uint64]struct{}, len(s.Interactions))
		s.keep(func(e Interaction) bool {
			key := uint64(uint32(e.User))<<32 | uint64(uint32(e.Item))
			_, again := seen[key]
			seen[key] = struct{}{}
			return !again
		})
	}
}

// drawUsers draws a share of the users that still have interactions: those whose ID hashes lowest under the seed.
func (s *Set) drawUsers(fraction float64, seed uint64) []bool {
	type ticket struct {
		lot  uint64
		user int32
	}
	var tickets []ticket
	for u, n := range s.countUsers() {
		if n > 0 {
			tickets = append(tickets, ticket{lot(seed, s.Users[u]), int32(u)})
		}
	}
	slices.SortFunc(tickets, func(a, b ticket) int {
		if a.lot != b.lot {
			if a.lot < b.lot {
				return -1
			}
			return 1
		}
		if s.Users[a.user] < s.Users[b.user] {
			return -1
		}
		return 1
	})
	drawn := make([]bool, len(s.Users))
	for _, t := range tickets[:int(math.Round(fraction*float64(len(tickets))))] {
		drawn[t.user] = true
	}
	return drawn
}

// lot is FNV-1a over the ID, mixed with the seed.
func lot(seed uint64, id string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(id); i++ {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	return mix(h ^ mix(seed))
}

// mix is the finalizer of SplitMix64: every bit of x decides over every bit of the result.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// renumber drops users, and items unless they are to stay unrated, that have no interaction left.
func (s *Set) renumber(titled []bool, unrated bool) {
	users, items := make([]int32, len(s.Users)), make([]int32, len(s.Items))
	for _, e := range s.Interactions {
		users[e.User], items[e.Item] = 1, 1
	}
	var keptUsers []string
	for u := range users {
		if users[u] > 0 {
			users[u] = int32(len(keptUsers))
			keptUsers = append(keptUsers, s.Users[u])
		}
	}
	var keptItems []Item
	s.Untitled = 0
	for i := range items {
		if items[i] > 0 || unrated {
			items[i] = int32(len(keptItems))
			keptItems = append(keptItems, s.Items[i])
			if titled != nil && !titled[i] {
				s.Untitled++
			}
		}
	}
	for k := range s.Interactions {
		e := &s.Interactions[k]
		e.User, e.Item = users[e.User], items[e.Item]
	}
	s.Users, s.Items = keptUsers, keptItems
}

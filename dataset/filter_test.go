package dataset

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// plain is an interaction with names instead of numbers.
type plain struct {
	user, item string
	rating     float32
	time       int64
}

func (s *Set) plain() []plain {
	var out []plain
	for _, e := range s.Interactions {
		out = append(out, plain{s.Users[e.User], s.Items[e.Item].ID, e.Rating, e.Time})
	}
	return out
}

func draw(t *rapid.T) *Set {
	users, items := rapid.IntRange(1, 8).Draw(t, "users"), rapid.IntRange(1, 6).Draw(t, "items")
	s := &Set{}
	for u := range users {
		s.Users = append(s.Users, fmt.Sprintf("u%d", u))
	}
	for i := range items {
		s.Items = append(s.Items, Item{ID: fmt.Sprintf("i%d", i), Title: fmt.Sprintf("Item %d", i)})
	}
	at := int64(1)
	for range rapid.IntRange(0, 60).Draw(t, "events") {
		at += rapid.Int64Range(0, 2).Draw(t, "wait")
		s.Interactions = append(s.Interactions, Interaction{Time: at, User: rapid.Int32Range(0, int32(users-1)).Draw(t, "user"),
			Item: rapid.Int32Range(0, int32(items-1)).Draw(t, "item"), Rating: rapid.Float32Range(4, 5).Draw(t, "rating")})
	}
	return s
}

// TestFilter applies the filter's steps by name, with maps, and compares.
func TestFilter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := draw(t)
		f := Filter{
			From: rapid.Int64Range(0, 10).Draw(t, "from"), Duplicates: rapid.SampledFrom([]DuplicatePolicy{"", "exact", "first"}).Draw(t, "duplicates"),
			MinUser: rapid.IntRange(0, 6).Draw(t, "minimum per user"), MinItem: rapid.IntRange(0, 6).Draw(t, "minimum per item"),
		}
		want := s.plain()
		want = slices.DeleteFunc(want, func(e plain) bool { return e.time < f.From })
		seen := map[any]bool{}
		want = slices.DeleteFunc(want, func(e plain) bool {
			var key any = e
			if f.Duplicates == DuplicatesFirst {
				key = [2]string{e.user, e.item}
			}
			again := seen[key] && f.Duplicates != DuplicatesAll
			seen[key] = true
			return again
		})
		n := map[string]int{}
		for _, e := range want {
			n[e.user]++
		}
		want = slices.DeleteFunc(want, func(e plain) bool { return n[e.user] < f.MinUser })
		for _, e := range want {
			n[e.item]++
		}
		want = slices.DeleteFunc(want, func(e plain) bool { return n[e.item] < f.MinItem })
		before := len(s.Interactions)
		s.apply(f, nil, false)
		if got := s.plain(); !slices.Equal(got, want) {
			t.Fatalf("%+v left %v, want %v", f, got, want)
		}
		if s.Filtered != before-len(want) {
			t.Fatalf("says it took %d away, and took %d", s.Filtered, before-len(want))
		}
		users, items := map[int32]bool{}, map[int32]bool{}
		for _, e := range s.Interactions {
			users[e.User], items[e.Item] = true, true
		}
		if len(users) != len(s.Users) || len(items) != len(s.Items) {
			t.Fatalf("%d users and %d items are left for interactions of %d and %d", len(s.Users), len(s.Items), len(users), len(items))
		}
	})
}

func TestUserFraction(t *testing.T) {
	kept := func(seed uint64, order func(*Set)) []string {
		s := Generate(GenerateOptions{Users: 500, Items: 50, Interactions: 5000})
		order(s)
		s.apply(Filter{UserFraction: 0.2, Seed: seed}, nil, false)
		users := slices.Clone(s.Users)
		slices.Sort(users)
		return users
	}
	asIs := func(*Set) {}
	a := kept(1, asIs)
	if len(a) != 100 {
		t.Errorf("%d of 500 users are 20%%", len(a))
	}
	if !slices.Equal(a, kept(1, asIs)) {
		t.Error("one seed draws different users")
	}
	if slices.Equal(a, kept(2, asIs)) {
		t.Error("two seeds draw the same users")
	}
	if !slices.Equal(a, kept(1, func(s *Set) { // the same users under other numbers
		slices.Reverse(s.Users)
		for i := range s.Interactions {
			s.Interactions[i].User = int32(len(s.Users)) - 1 - s.Interactions[i].User
		}
	})) {
		t.Error("the order of the users in the file decides who is drawn")
	}
}

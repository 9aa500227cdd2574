package study

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"

	"lsat/dataset"
	"lsat/period"
)

// scrambled is the finalizer of SplitMix64.
func scrambled(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// drawnStream is a stream of n events that whole numbers alone make, the same on every machine.
func drawnStream(tb testing.TB, n, users, count int) *period.Stream {
	tb.Helper()
	set := &dataset.Set{Name: "drawn"}
	for u := range users {
		set.Users = append(set.Users, fmt.Sprintf("u%d", u))
	}
	for i := range 50 {
		set.Items = append(set.Items, dataset.Item{ID: fmt.Sprint(i), Title: fmt.Sprintf("Item %d", i)})
	}
	for k := range n {
		r := scrambled(uint64(k))
		set.Interactions = append(set.Interactions, dataset.Interaction{
			Time: int64(k / 2), User: int32(r % uint64(users)), Item: int32(r >> 20 % 50), Rating: float32(1 + r>>40%5),
		})
	}
	s, err := period.New(set, period.Options{Count: count})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// TestListsArePinned: the lists of a study name its jobs, so they must never change for the same data and configuration.
func TestListsArePinned(t *testing.T) {
	s := drawnStream(t, 40_000, 300, 8)
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"whole", func(*Config) {}, "e23fb79be28fcd6ea491593f3f726189582edfe4d4f0ac554afe247ed3e2ee42"},
		{"capped", func(c *Config) {
			c.MaxTrainPerPeriod, c.MaxValidPerPeriod, c.MaxTestPerPeriod, c.MaxLongSamples = 1000, 77, 555, 2500
		}, "46fee737b07b70bdf28ba755895f99a7d3d4acec23a8098cef0091d260872568"},
		{"long jobs capped", func(c *Config) { c.MaxLongSamples, c.SampleSeed = 3001, 9 }, "91b8161b1f94a5f7598ff39145e076889b4683cb6e70be0ae0c25a51db0692c6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := Config{
				Data: Data{Path: "."}, Backbone: "none", LongPeriods: 3, Strategies: []string{"no-update", "full", "finetune", "replay", "lsat-ensemble-3", "lsat-stack"},
				Stream: Stream{Count: 8},
			}.withDefaults()
			c.change(&config)
			if err := config.check(); err != nil {
				t.Fatal(err)
			}
			steps, err := plan(config)
			if err != nil {
				t.Fatal(err)
			}
			l := newLister(config, s)
			h := sha256.New()
			note := func(list *sampleList) {
				_, _ = fmt.Fprintf(h, "%+v\n", list.slice())
			}
			for _, s := range steps {
				for _, j := range s.combo.Jobs() {
					note(l.train(j))
					note(l.valid(j.Valid))
				}
				note(l.test(s.test()))
			}
			if got := hex.EncodeToString(h.Sum(nil)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

package prompt

import (
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"

	"lsat/period"
)

// A template serves many goroutines at once and gives all of them the same sequences.
func TestConcurrentUse(t *testing.T) {
	s := randomStream(t, rand.New(rand.NewPCG(3, 3)), period.Options{History: 4})
	for _, name := range []string{TallRec, Stream} {
		tok := &wordTokenizer{}
		want, err := must(t, Config{Template: name}, tok).Sequences(s, all(s))
		if err != nil {
			t.Fatal(err)
		}
		tpl := must(t, Config{Template: name}, tok) // with an empty title cache again
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				got, err := tpl.Sequences(s, all(s))
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%s: other sequences from another goroutine (%v)", name, err)
				}
			})
		}
		wg.Wait()
	}
}

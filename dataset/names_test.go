package dataset

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// TestNamesNumberByFirstAppearance holds names to a map, with names of all lengths that are alike in their ends, zero bytes among them.
func TestNamesNumberByFirstAppearance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, want := newNames(), map[string]int32{}
		for _, k := range rapid.SliceOfN(rapid.IntRange(0, 3000), 0, 5000).Draw(t, "names") {
			name := fmt.Sprint(k)
			if k%3 == 0 {
				name = fmt.Sprintf("%0*d", k%20+1, k%50)
			}
			if k%11 == 0 {
				name += string(make([]byte, k%17))
			}
			id, ok := want[name]
			if !ok {
				id = int32(len(want))
				want[name] = id
			}
			if got := n.id([]byte(name)); got != id || n.list[id] != name {
				t.Fatalf("%q has number %d, want %d", name, got, id)
			}
		}
		if len(n.list) != len(want) {
			t.Fatalf("%d names, want %d", len(n.list), len(want))
		}
	})
}

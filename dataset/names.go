package dataset

import "hash/maphash"

// names numbers identifiers in the order in which they first appear. It is the hot path of every reader: most identifiers are short, and a short one is
// compared as two machine words that lie in the table itself, so that looking it up costs one access to memory and no allocation.
type names struct {
	seed  maphash.Seed
	slots []slot
	// long numbers the identifiers that do not fit into a slot.
	long map[string]int32
	// list holds every identifier by its number.
	list []string
	// inSlots counts those in slots.
	inSlots int
}

// slot holds an identifier of up to 15 bytes: its bytes and, in the highest one of b, its length. A slot in use is never zero, since no
// identifier is empty.
type slot struct {
	a, b uint64
	id   int32
}

// longestInSlot is how many bytes a slot holds.
const longestInSlot = 15

func newNames() *names {
	return &names{seed: maphash.MakeSeed(), slots: make([]slot, 1<<10), long: map[string]int32{}}
}

// id returns the number of a name of at least one byte, giving it the next one where it is new.
func (n *names) id(name []byte) int32 {
	if len(name) > longestInSlot {
		id, ok := n.long[string(name)]
		if !ok {
			id = n.add(name)
			n.long[n.list[id]] = id
		}
		return id
	}
	a, b := pack(name)
	mask := uint64(len(n.slots) - 1)
	for i := maphash.Bytes(n.seed, name) & mask; ; i = (i + 1) & mask {
		switch s := &n.slots[i]; {
		case s.a == a && s.b == b:
			return s.id
		case s.b == 0:
			*s = slot{a, b, n.add(name)}
			if n.inSlots++; n.inSlots > len(n.slots)/2 {
				n.grow()
			}
			return int32(len(n.list)) - 1
		}
	}
}

func (n *names) add(name []byte) int32 {
	n.list = append(n.list, string(name))
	return int32(len(n.list)) - 1
}

// pack makes two words of up to 15 bytes.
func pack(name []byte) (a, b uint64) {
	b = uint64(len(name)) << 56
	for i, c := range name {
		if i < 8 {
			a |= uint64(c) << (8 * i)
		} else {
			b |= uint64(c) << (8 * (i - 8))
		}
	}
	return a, b
}

func (n *names) grow() {
	old := n.slots
	n.slots = make([]slot, 2*len(old))
	mask := uint64(len(n.slots) - 1)
	for _, s := range old {
		if s.b == 0 {
			continue
		}
		i := maphash.String(n.seed, n.list[s.id]) & mask
		for n.slots[i].b != 0 {
			i = (i + 1) & mask
		}
		n.slots[i] = s
	}
}

package engine

import (
	"cmp"
	"slices"

	"lsat/backbone"
	"lsat/prompt"
)

// tree is a call's sequences in the order of their tokens, in which those that begin alike are neighbours: what a sequence shares with the one before it
// is computed once. Prompts of one user say the same for as long as their history does.
type tree struct {
	seqs  []prompt.Sequence
	reach reach
	order []int // indices of seqs
	// alike is how many first tokens a sequence has in common with the one before it in order, the header's at least.
	alike []int
}

const (
	// leastAlike is how many tokens behind the header neighbours have in common at least, if they are to stay together.
	leastAlike = 8
	// familyTokens bounds what the sequences that Families keeps together take behind the header.
	familyTokens = 1024
)

func newTree(seqs []prompt.Sequence, r reach) *tree {
	t := &tree{seqs: seqs, reach: r, order: upTo(len(seqs)), alike: make([]int, len(seqs))}
	slices.SortFunc(t.order, func(a, b int) int {
		return cmp.Or(slices.Compare(seqs[a].Tokens, seqs[b].Tokens), cmp.Compare(a, b))
	})
	for k, i := range t.order {
		t.alike[k] = r.header
		if k > 0 {
			t.alike[k] = prompt.Common(seqs[t.order[k-1]].Tokens, seqs[i].Tokens)
		}
	}
	return t
}

// families cuts the order into runs [lo, hi) of sequences that begin alike, none of which takes more than room tokens behind the header, if its first
// sequence does not. tokens is what each takes.
func (t *tree) families(room int) (runs [][2]int, tokens []int) {
	for k, i := range t.order {
		n := len(t.seqs[i].Tokens)
		last := len(runs) - 1
		if own := n - t.alike[k]; last >= 0 && t.alike[k] >= t.reach.header+leastAlike && tokens[last]+own <= room {
			runs[last][1]++
			tokens[last] += own
			continue
		}
		runs = append(runs, [2]int{k, k + 1})
		tokens = append(tokens, n-t.reach.header)
	}
	return runs, tokens
}

// Families groups sequences that begin alike, beyond the header that all share, whose common beginning is computed once where they are run together:
// every group holds indices of seqs, few enough for one row, and groups come in the order of their first tokens. Sequences with a window are alone.
func (e *Engine) Families(seqs []prompt.Sequence) [][]int {
	r := reachOf(seqs)
	if r.windows {
		out := make([][]int, len(seqs))
		for i := range out {
			out[i] = []int{i}
		}
		return out
	}
	t := newTree(seqs, r)
	runs, _ := t.families(familyTokens)
	out := make([][]int, len(runs))
	for f, run := range runs {
		out[f] = t.order[run[0]:run[1]:run[1]]
	}
	return out
}

// fewRows is up to how many rows of a call have one shape: a call that is so short is over before several shapes have been compiled.
const fewRows = 3

// packTree lays sequences without a window into single rows of up to batchTokens, or twice as many (packing.stretch), each with the header once and behind it
// a few families. Short calls get rows about even, and long ones rows as long as they need, of a few lengths.
func packTree(seqs []prompt.Sequence, r reach, p packing) []*batch {
	full, long := p.fullRow(r.header)
	full = max(full, powerOfTwo(r.header+r.back, full))
	t := newTree(seqs, r)
	runs, tokens := t.families(full - r.header)
	room, even, total := full-r.header, p.shrink || !p.wide, sum(tokens)
	if rows := max(p.atOnce, (total+room-1)/room); even && rows <= max(fewRows, p.atOnce) {
		runs, tokens = t.families(max(total/rows, r.back))
		room = min(room, max(slices.Max(tokens), (sum(tokens)+rows-1)/rows+smallestRow))
	}
	bins := fill(tokens, upTo(len(runs)), room)
	longest := 0
	for _, bin := range bins {
		longest = max(longest, bin.used)
	}
	var out []*batch
	most, few := 0, 0
	for _, bin := range bins {
		slices.Sort(bin.members)
		used := bin.used
		if len(bins) <= fewRows {
			used = longest
		}
		time := full
		if even {
			time = min(full, rowLength(used+r.header, p.batchTokens, long && !p.wide))
		}
		var members []int // places in the order
		for _, f := range bin.members {
			for k := runs[f][0]; k < runs[f][1]; k++ {
				members = append(members, k)
			}
		}
		b := t.layOut(members, time, p.wide)
		most, few = max(most, b.band.Units), max(few, b.band.Few)
		out = append(out, b)
	}
	for _, b := range out {
		if len(out) <= fewRows && b.band.Units > 0 {
			b.list(most, few)
		}
	}
	return out
}

// upTo are the numbers from 0 to n-1.
func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func sum(v []int) (n int) {
	for _, x := range v {
		n += x
	}
	return n
}

// layOut writes sequences, places in the order, out as a row, whose lists have as many places as listPlaces says.
func (t *tree) layOut(members []int, time int, fine bool) *batch {
	b := newBatch(1, time)
	header := t.reach.header
	var path []int32 // where the newest sequence's tokens stand
	at := 0
	for s, k := range members {
		seq := &t.seqs[t.order[k]]
		from := 0
		if s > 0 {
			from = header // of what no neighbour stands beside
			if members[s-1] == k-1 {
				from = t.alike[k]
			}
		}
		for _, p := range path[from:] { // nobody's beginning any more
			b.ends[p] = int32(s)
		}
		path = path[:from]
		for n := from; n < len(seq.Tokens); n++ {
			path = append(path, int32(at))
			at++
		}
		b.put(seq, path, from, int32(s))
		b.ask(seq, t.order[k], path)
		b.paths = append(b.paths, places{sequence: t.order[k], at: slices.Clone(path)})
	}
	for _, p := range path {
		b.ends[p] = int32(len(members))
	}
	t.look(b, fine)
	b.pad(time / 4)
	return b
}

// look lists for every block which units it looks at, behind those of the header.
func (t *tree) look(b *batch, fine bool) {
	header := t.reach.blocks().Header
	if b.time%bandBlock != 0 {
		return
	}
	n := b.time / bandBlock
	b.lists = make([][]int32, n)
	first := int32(header / backbone.UnitTokens)
	for _, p := range b.paths {
		for lo := 0; lo < len(p.at); {
			block := p.at[lo] / bandBlock
			hi := lo + 1
			for hi < len(p.at) && p.at[hi]/bandBlock == block {
				hi++
			}
			for _, q := range p.at[:hi] {
				unit := q / backbone.UnitTokens
				if n := len(b.lists[block]); unit >= first && (n == 0 || b.lists[block][n-1] != unit) {
					b.lists[block] = append(b.lists[block], unit)
				}
			}
			lo = hi
		}
	}
	for i, list := range b.lists {
		slices.Sort(list)
		b.lists[i] = slices.Compact(list)
	}
	longest := func(lists [][]int32) (most int) {
		for _, list := range lists {
			most = max(most, len(list))
		}
		return listPlaces(most, fine)
	}
	band := backbone.Band{Block: bandBlock, Header: header, Units: longest(b.lists)}
	if band.Keys() < b.time {
		b.band = band
		b.arrange((header + bandBlock - 1) / bandBlock)
		b.list(band.Units, longest(b.lists[:n/2]))
	}
}

// arrange puts the blocks whose lists are short first, behind so many that stay where they are: attention over that half of a row compares less.
func (b *batch) arrange(fixed int) {
	order := upTo(len(b.lists)) // what comes where
	slices.SortStableFunc(order[min(fixed, len(order)):], func(i, j int) int { return cmp.Compare(len(b.lists[i]), len(b.lists[j])) })
	to := make([]int32, len(order))
	lists := make([][]int32, len(order))
	for i, from := range order {
		to[from], lists[i] = int32(i), b.lists[from]
	}
	move := func(places []int32, each int32) {
		for i, p := range places {
			places[i] = to[p/each]*each + p%each
		}
	}
	for _, v := range [][]int32{b.tokens, b.positions, b.segments, b.ends, b.steps, b.lowest} {
		was := slices.Clone(v)
		for i, from := range order {
			copy(v[i*bandBlock:(i+1)*bandBlock], was[from*bandBlock:])
		}
	}
	for _, list := range lists {
		move(list, bandBlock/backbone.UnitTokens)
		slices.Sort(list)
	}
	for _, p := range b.paths {
		move(p.at, bandBlock)
	}
	move(b.targets, bandBlock)
	b.lists = lists
}

// list writes the lists out: units places for a block's, and where few are less, as many as that for a block of the row's first half.
func (b *batch) list(units, few int) {
	b.band.Units, b.band.Few, b.band.Short = units, few, 0
	if few < units {
		b.band.Short = len(b.lists) / 2
	}
	b.looks = b.looks[:0]
	for _, list := range b.lists {
		for k := range units {
			unit := int32(-1)
			if k < len(list) {
				unit = list[k]
			}
			b.looks = append(b.looks, unit)
		}
	}
}

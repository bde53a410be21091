_hobnob() {
    local line found
    COMPREPLY=()
    found=$("${COMP_WORDS[0]}" completions bash -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return 0
    while IFS= read -r line; do
        case $line in
            '') ;;
            :files) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
            :folders) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$2") ;;
            *)
                [[ $line == *= ]] && compopt -o nospace 2>/dev/null
                COMPREPLY+=("$line")
                ;;
        esac
    done <<< "$found"
    return 0
}
complete -o nosort -F _hobnob hobnob 2>/dev/null || complete -F _hobnob hobnob

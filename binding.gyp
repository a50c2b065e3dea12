{
  "targets": [
    {
      "target_name": "hdtrain",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["native/CMakeLists.txt"],
          "outputs": ["native/.build/addon/Release/hdtrain.node"],
          "action": ["node", "scripts/install.mjs"]
        }
      ]
    }
  ]
}
